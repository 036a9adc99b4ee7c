package server

import "busbar.example/acsi"

// makeBehaviour has nothing to make.
func (e *Engine) makeBehaviour() error { return nil }

// qualityInMode is the quality that q of the process becomes in the mode of h's logical node.
func (e *Engine) qualityInMode(_ Handle, q acsi.Quality) acsi.Quality { return q }

func (e *Engine) applyModes() {}
