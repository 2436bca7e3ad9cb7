"""What a person reads: HTML, Markdown, pictures, JUnit XML, and tables on a terminal."""
