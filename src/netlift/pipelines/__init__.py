"""One file per command: settings in, result out; data pass as frames and arrays."""
