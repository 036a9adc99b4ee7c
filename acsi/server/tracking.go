package server

import (
	"busbar.example/acsi"
	"busbar.example/acsi/server/control"
)

// makeTracking has nothing to make.
func (e *Engine) makeTracking() error { return nil }

// track notes that a service, called by its name in IEC 61850-7-2 such as SetBRCBValues, was carried out on ref, or refused with err.
// It is called with the lock held, when all that the service does has been done.
func (c *call) track(service string, ref acsi.Ref, err error) {}

// trackControl is track of a control service.
func (c *call) trackControl(o *controlObject, service string, r control.Request, cause acsi.AddCause) {
}
