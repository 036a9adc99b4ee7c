package server

import (
	"time"

	"busbar.example/acsi"
)

// makeReports has nothing to make.
func (e *Engine) makeReports() error { return nil }

// setReport carries out a write under BR or RP at p.
func (c *call) setReport(a acsi.Assignment, _ point) error {
	return acsi.Errorf(acsi.ObjectAccessUnsupported, "this IED does not serve reports: %s cannot be written", a.Ref)
}

func (e *Engine) tickReports(time.Time) {}

func (e *Engine) nextReport() time.Time { return time.Time{} }

// takeReport is the report that waits first, or nil.
func (s *session) takeReport() *acsi.Report { return nil }

// closeReports ends the reports of the association.
func (s *session) closeReports() {}

func (e *Engine) loadReportControl(Record) error { return nil }

func (e *Engine) loadReportEntry(Record) error { return nil }

func (e *Engine) restoreReports() error { return nil }
