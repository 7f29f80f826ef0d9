"""What the interactive figures are made of: values to choose, panels, scripts, the live form."""
