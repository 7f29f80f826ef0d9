// Repairs of the theme that a stylesheet cannot make.
