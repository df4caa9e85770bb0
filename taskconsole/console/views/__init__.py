"""What the body of the screen can show: one module each, over the seams in `view` and `tableview`."""
