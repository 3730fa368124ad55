"""gunicorn wsgi:app"""

from proapp import create_app

app = create_app()
