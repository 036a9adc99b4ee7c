package server

import (
	"time"

	"busbar.example/acsi"
	"busbar.example/value"
)

// makeControls has nothing to make.
func (e *Engine) makeControls() error { return nil }

// setControl carries out a write under CO at p.
func (c *call) setControl(a acsi.Assignment, _ point) error {
	return acsi.Errorf(acsi.ObjectAccessUnsupported, "this IED does not serve control yet: %s cannot be operated", a.Ref)
}

// getControl carries out a read under CO at p.
func (c *call) getControl(_ acsi.Ref, p point) (value.Value, error) { return c.e.read(p), nil }

func (e *Engine) tickControls(time.Time) {}

func (e *Engine) nextControl() time.Time { return time.Time{} }

// closeControls ends the selections of the association.
func (s *session) closeControls() {}
