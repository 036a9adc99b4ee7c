package server

// makeFiles has nothing to make.
func (e *Engine) makeFiles() error { return nil }

// closeFiles closes what the association has open.
func (s *session) closeFiles() {}
