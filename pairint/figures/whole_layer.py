"""Pictures for the page on what a whole layer emits."""
