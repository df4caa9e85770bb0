"""Files that the console writes: private, where they were wanted, and no formula in them."""
