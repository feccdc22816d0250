"""What `separation_speed.py` measures: its rows, and the table of them."""
