package server

import (
	"busbar.example/acsi"
	"busbar.example/value"
)

// makeSubstitution has nothing to make.
func (e *Engine) makeSubstitution() error { return nil }

// setSubstitution carries out a write under SV or BL at p.
func (c *call) setSubstitution(a acsi.Assignment, _ point) error {
	return acsi.Errorf(acsi.ObjectAccessUnsupported, "this IED does not serve substitution: %s cannot be written", a.Ref)
}

// substituted reports whether the value v of the process, which was checked, does not reach the store because another one
// stands in for it.
func (e *Engine) substituted(Handle, value.Value) bool { return false }

// substitutedQuality is substituted for the quality beside h.
func (e *Engine) substitutedQuality(Handle, acsi.Quality) bool { return false }

// closeSubstitution ends what the association has substituted, where that is how it is engineered.
func (s *session) closeSubstitution() {}
