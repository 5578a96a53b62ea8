"""How fast, accessible and sound the reference page is, as Lighthouse sees it."""
