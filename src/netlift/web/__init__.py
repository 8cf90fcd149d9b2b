"""The marketers' desk: a web server that shows what verbs stored and starts verbs as jobs; it computes nothing."""
