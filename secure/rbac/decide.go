package rbac

import (
	"maps"
	"time"
)

// A Policy is a role-to-right matrix with the name and number that grants refer
// to it by. The zero Policy denies everything. A Policy must not be changed
// while it is in use; it may then be used by several goroutines.
type Policy struct {
	Definition string
	Revision   int
	Rights     map[Role]Right
}

var defaultPolicy = Policy{
	Definition: "IEC62351-8",
	Revision:   1,
	Rights: map[Role]Right{
		Viewer:    View | Read | Reporting,
		Operator:  View | Read | Reporting | Control,
		Engineer:  View | Read | Dataset | Reporting | FileRead | FileWrite | FileMngt | Config | SettingGroup,
		Installer: View | Read | Reporting | FileWrite | Config,
		SECADM:    View | Read | Security | SecurityRoles,
		SECAUD:    View | Read | Reporting | FileRead,
		RBACMNT:   View | Read | SecurityRoles,
	},
}

// DefaultPolicy returns a copy of the matrix that holds where nothing else is
// configured.
func DefaultPolicy() *Policy {
	p := defaultPolicy
	p.Rights = maps.Clone(p.Rights)
	return &p
}

// NewGrant returns the grant of a role under this policy, for the logical
// devices of aor (see [Grant]), without a limit in time. A nil Policy is the
// default one.
func (p *Policy) NewGrant(role Role, aor string) Grant {
	if p == nil {
		p = &defaultPolicy
	}
	return Grant{Role: role, AOR: aor, Revision: p.Revision, Definition: p.Definition}
}

// A Reason says why a decision went as it did.
type Reason uint8

// The reasons, from the furthest from a grant to the grant itself. A denial
// gives the reason that came closest.
const (
	NoRole             Reason = iota // the subject holds no role, or no right was asked for
	UnknownRole                      // the policy has no such role
	RightNotInRole                   // the role does not carry the right
	DefinitionMismatch               // the role was given under another definition
	RevisionMismatch                 // the role was given under another revision
	NotYetValid                      // the role is not valid yet
	Expired                          // the role has expired
	OutsideAOR                       // the role is limited to other logical devices
	Granted
)

var reasonTexts = [...]string{
	NoRole:             "the subject holds no role",
	UnknownRole:        "the policy does not know the role",
	RightNotInRole:     "the role does not carry the right",
	DefinitionMismatch: "the role was given under another definition than the policy's",
	RevisionMismatch:   "the role was given under another revision than the policy's",
	NotYetValid:        "the role is not valid yet",
	Expired:            "the role has expired",
	OutsideAOR:         "the role is limited to other logical devices",
	Granted:            "granted",
}

// String returns the reason as a phrase.
func (r Reason) String() string {
	if int(r) < len(reasonTexts) {
		return reasonTexts[r]
	}
	return "unknown reason"
}

// A Decision is the outcome of Decide. The zero Decision is a denial.
type Decision struct {
	Allowed bool
	Reason  Reason
	Grant   Grant // that allowed it, or came closest; zero for NoRole
}

// Decide decides whether s may use all rights of r on the logical device ld at
// the time now. The empty ld stands for the server as a whole, which only a
// grant without a limit to logical devices covers. Several grants add up. What
// is not granted is denied. A nil Policy is the default one.
//
// IEC 62351-8
func (p *Policy) Decide(s Subject, r Right, ld string, now time.Time) Decision {
	if p == nil {
		p = &defaultPolicy
	}
	if r == 0 {
		return Decision{}
	}
	var closest Decision
	missing := r
	for _, g := range s.Grants {
		reason := p.judge(g, r, ld, now)
		if reason == Granted {
			if missing &^= p.Rights[g.Role]; missing == 0 {
				return Decision{Allowed: true, Reason: Granted, Grant: g}
			}
			reason = RightNotInRole
		}
		if reason > closest.Reason {
			closest = Decision{Reason: reason, Grant: g}
		}
	}
	return closest
}

// judge says what the one grant g is worth for a part of r.
func (p *Policy) judge(g Grant, r Right, ld string, now time.Time) Reason {
	rights, known := p.Rights[g.Role]
	switch {
	case !known:
		return UnknownRole
	case rights&r == 0:
		return RightNotInRole
	case g.Definition != "" && g.Definition != p.Definition:
		return DefinitionMismatch
	case g.Revision != p.Revision:
		return RevisionMismatch
	case !g.NotBefore.IsZero() && now.Before(g.NotBefore):
		return NotYetValid
	case !g.NotAfter.IsZero() && now.After(g.NotAfter):
		return Expired
	case !covers(g.AOR, ld):
		return OutsideAOR
	}
	return Granted
}
