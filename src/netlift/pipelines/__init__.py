"""The verbs: settings in, result out; they meet the floors below through frames and arrays and open no file."""
