"""This project's components and models in the hands of other toolkits, by those toolkits' own means."""
