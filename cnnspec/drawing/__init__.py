"""A checked network enters; its picture leaves, as SVG, Mermaid or DOT."""
