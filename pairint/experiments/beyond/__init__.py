"""Beyond both papers: experiments whose data we did not make."""
