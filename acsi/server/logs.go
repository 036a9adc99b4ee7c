package server

import (
	"time"

	"busbar.example/acsi"
)

// makeLogs has nothing to make.
func (e *Engine) makeLogs() error { return nil }

// setLog carries out a write under LG at p.
func (c *call) setLog(a acsi.Assignment, _ point) error {
	return acsi.Errorf(acsi.ObjectAccessUnsupported, "this IED does not serve logs: %s cannot be written", a.Ref)
}

func (e *Engine) tickLogs(time.Time) {}

func (e *Engine) nextLog() time.Time { return time.Time{} }
