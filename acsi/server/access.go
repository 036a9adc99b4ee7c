package server

import (
	"context"
	"fmt"
	"strings"

	"busbar.example/acsi"
	"busbar.example/secure/audit"
	"busbar.example/secure/rbac"
)

// readRight is the right that reading under fc takes.
//
// IEC 62351-8, the rights of IEC 61850 services.
func readRight(fc acsi.FC) rbac.Right {
	switch fc {
	case acsi.CO:
		return rbac.Control
	case acsi.RP, acsi.BR, acsi.LG, acsi.GO, acsi.MS, acsi.US:
		return rbac.Reporting
	}
	return rbac.Read
}

// writeRight is the right that writing under fc takes. What nobody may write takes the right to configure: who lacks
// that learns nothing more. What is logged counts for all clients and for good, unlike what is reported to one: a log control
// block is configured, though reading it takes no more than reports do.
func writeRight(fc acsi.FC) rbac.Right {
	switch fc {
	case acsi.CO, acsi.SV, acsi.BL:
		return rbac.Control
	case acsi.SG, acsi.SE:
		return rbac.SettingGroup
	case acsi.RP, acsi.BR, acsi.GO, acsi.MS, acsi.US:
		return rbac.Reporting
	}
	return rbac.Config
}

// call is one service under way: it decides, and remembers what it denied to report that once.
type call struct {
	*session
	service acsi.ServiceSet
	at      acsi.Timestamp
	denials []denial
	said    []commanded // to record once the lock is given back

	// of SetDataValues
	tried   acsi.Assignment             // the write that is under way
	tracked bool                        // which has been tracked
	written []acsi.Assignment           // that the process has yet to hear of
	effects []acsi.Assignment           // what these have changed beside, for the hooks alone
	keep    bool                        // something is written that outlives the process
	rest    func(context.Context) error // what of the write that set was called for cannot be done with the lock held, or nil
}

type denial struct {
	right  rbac.Right
	reason rbac.Reason
	grant  rbac.Grant
	refs   []string // the first few
	more   int
}

func (s *session) begin(service acsi.ServiceSet) call {
	return call{session: s, service: service, at: s.e.now()}
}

// allowed decides. Each service asks before it looks at the model, so that a denial does not tell what there is.
func (c *call) allowed(right rbac.Right, ld string) rbac.Decision {
	return c.e.cfg.Policy.Decide(c.subject, right, ld, c.at.Time)
}

// decide is allowed, and a denial becomes an error and part of an event. ref is made text only then.
func (c *call) decide(right rbac.Right, ld string, ref acsi.Ref) *acsi.Error {
	d := c.allowed(right, ld)
	if d.Allowed {
		return nil
	}
	c.deny(right, d, ref.String())
	return acsi.Errorf(acsi.ObjectAccessDenied, "it takes the right %s: %s", right, d.Reason)
}

// anywhere is decide on any logical device.
func (c *call) anywhere(right rbac.Right) error {
	var denied rbac.Decision
	for _, ld := range c.e.cfg.Model.LDs {
		d := c.allowed(right, ld.Name)
		if d.Allowed {
			return nil
		}
		if d.Reason >= denied.Reason {
			denied = d
		}
	}
	c.deny(right, denied, "the server")
	return acsi.Errorf(acsi.ObjectAccessDenied, "it takes the right %s: %s", right, denied.Reason)
}

const maxDeniedRefs = 3

func (c *call) deny(right rbac.Right, d rbac.Decision, ref string) {
	for i := range c.denials {
		if same := &c.denials[i]; same.right == right && same.reason == d.Reason {
			if len(same.refs) < maxDeniedRefs {
				same.refs = append(same.refs, ref)
			} else {
				same.more++
			}
			return
		}
	}
	c.denials = append(c.denials, denial{right: right, reason: d.Reason, grant: d.Grant, refs: []string{ref}})
}

// end reports what was denied: one event for each right that was lacking, however many objects it was asked for, and so many a
// minute for each account.
func (c *call) end() {
	for _, said := range c.said {
		c.recordCommand(said)
	}
	for _, d := range c.denials {
		text := fmt.Sprintf("%s of %s takes the right %s: %s", c.service, strings.Join(d.refs, ", "), d.right, d.reason)
		if d.more > 0 {
			text = fmt.Sprintf("%s of %s and %d more takes the right %s: %s", c.service, strings.Join(d.refs, ", "), d.more, d.right, d.reason)
		}
		c.recordSome(eventOf(d.reason), text)
	}
}

func (c *call) record(id audit.ID, text string) {
	c.e.cfg.Audit.Record(audit.Event{ID: id, Time: c.at.Time, Peer: c.subject.Address, Subject: c.subject.Name,
		Roles: c.subject.Grants, Text: text})
}

// eventOf tells a role that is no good from one that has run out, and both from one that does not reach so far.
func eventOf(r rbac.Reason) audit.ID {
	switch r {
	case rbac.UnknownRole, rbac.DefinitionMismatch, rbac.RevisionMismatch, rbac.NotYetValid:
		return audit.RoleRefused
	case rbac.Expired:
		return audit.RoleWithdrawn
	}
	return audit.AccessDenied
}
