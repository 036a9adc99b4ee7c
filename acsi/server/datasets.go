package server

// makeDataSets has nothing to make.
func (e *Engine) makeDataSets() error { return nil }

// closeDataSets removes the data sets of the association.
func (s *session) closeDataSets() {}
