package server

import (
	"fmt"
	"time"

	"busbar.example/acsi"
	"busbar.example/acsi/server/report"
	"busbar.example/secure/audit"
	"busbar.example/secure/rbac"
)

const (
	// leastShare is how many report control blocks each account may use of an IED that has few.
	leastShare = 8
	// defaultReservation bounds ResvTms.
	defaultReservation = time.Hour
)

// mayTake decides whether the peer may make use of one more control block. Everybody who may read may reserve them: no account gets
// all of them, so that there are some for the others. What the engineering assigns counts for nobody. Who may control or configure is
// trusted with more than that, and may rightly want all there is: there is a bound only where one is configured.
func (c *call) mayTake(r *reportControl) error {
	client := c.reportClient()
	if r.config.Assigned != nil || r.UsedBy(client) {
		return nil
	}
	most := c.e.cfg.ReportsPerAccount
	if most == 0 {
		if c.allowed(rbac.Control, r.ref.LD()).Allowed || c.allowed(rbac.Config, r.ref.LD()).Allowed {
			return nil
		}
		most = max(leastShare, len(c.e.reports.all)/2)
	}
	has := 0
	for _, o := range c.e.reports.all {
		if o.config.Assigned == nil && o.UsedBy(client) {
			has++
		}
	}
	if has < most {
		return nil
	}
	c.recordSome(audit.AccessDenied, fmt.Sprintf("%s is refused: the account uses %d report control blocks, and may use no more", r.ref, has))
	return acsi.Errorf(acsi.TemporarilyUnavailable, "this account uses %d report control blocks, and may use no more at once", has)
}

// mayPurge decides whether the peer may empty the buffer: whoever has the control block may, and whoever may configure.
func (c *call) mayPurge(r *reportControl) error {
	if r.Holder() == c.id || r.config.Assigned != nil {
		return nil // or Set says that it is another's
	}
	if err := c.decide(rbac.Config, r.ref.LD(), r.ref); err != nil {
		err.Text += "; or the control block must be reserved first, by ResvTms"
		return err
	}
	return nil
}

// reservation is the longest ResvTms, in seconds.
func (e *Engine) reservation() int16 {
	longest := e.cfg.Reservation
	if longest == 0 {
		longest = defaultReservation
	}
	return int16(min(max(longest/time.Second, 1), report.MaxResvTms))
}

// recordSome is record of what a peer can cause as often as it likes.
func (c *call) recordSome(id audit.ID, text string) {
	ok, missed := c.e.refusals.Allow(c.subject.Name, c.at.Time)
	if !ok {
		return
	}
	if missed > 0 {
		text = fmt.Sprintf("%s (%d more refusals before, of all peers, were not reported)", text, missed)
	}
	c.record(id, text)
}
