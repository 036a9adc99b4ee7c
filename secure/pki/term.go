package pki

import (
	"crypto/x509"
	"time"
)

// A Term is from when to when something holds that somebody has to renew.
type Term struct {
	What     string // such as "certificate of pv1@dso.example"
	From, To time.Time
}

// A Stage is how near the end of a Term is.
type Stage uint8

// The stages, each worse than the one before. Renewal is due when 70 % of the
// life have passed; the others come within what is left then.
//
// IEC 62351-9
const (
	StageGood Stage = iota
	StageRenew
	StageMonth // 30 days are left
	StageWeek
	StageDay
	StageOver
)

const (
	oneDay    = 24 * time.Hour
	leftOfTen = 3 // tenths of a life that are left when renewal is due
)

// Stage returns how near the end is at now. What has no end is good.
func (t Term) Stage(now time.Time) Stage {
	left := t.To.Sub(now)
	switch {
	case t.To.IsZero():
		return StageGood
	case left <= 0:
		return StageOver
	case left > t.To.Sub(t.From)/10*leftOfTen:
		return StageGood
	case left <= oneDay:
		return StageDay
	case left <= 7*oneDay:
		return StageWeek
	case left <= 30*oneDay:
		return StageMonth
	}
	return StageRenew
}

// String says what is to be done.
func (s Stage) String() string {
	switch s {
	case StageGood:
		return "good"
	case StageRenew:
		return "renewal is due"
	case StageMonth:
		return "ends within 30 days"
	case StageWeek:
		return "ends within 7 days"
	case StageDay:
		return "ends within a day"
	case StageOver:
		return "has ended"
	}
	return "unknown"
}

func termOf(c *x509.Certificate, what string) Term {
	return Term{What: what + " of " + Name(c), From: c.NotBefore, To: c.NotAfter}
}

// Terms returns those of the identity's own certificate, and of the CAs' that it
// shows with it.
func (id *Identity) Terms() []Term {
	terms := make([]Term, 0, len(id.Chain))
	for i, c := range id.Chain {
		what := "certificate"
		if i > 0 {
			what = "CA certificate"
		}
		terms = append(terms, termOf(c, what))
	}
	return terms
}

// Terms returns those of the anchors and of the revocation lists in files.
func (t *Trust) Terms() []Term {
	b := t.basis.Load()
	var terms []Term
	for _, c := range b.anchors {
		terms = append(terms, termOf(c, "trust anchor"))
	}
	for _, lists := range b.crls {
		for _, c := range lists {
			terms = append(terms, Term{What: "revocation list of " + printable(c.list.Issuer.String()), From: c.list.ThisUpdate, To: c.list.NextUpdate})
		}
	}
	return terms
}
