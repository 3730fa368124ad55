"""python -m proapp"""

from proapp.cli import main

main()
