package xmppd

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"busbar.example/secure/audit"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/stanza"
)

// A Rule says whether accounts may send to others. Of a list of rules the first that matches sender and addressee
// decides. Where none does, accounts of one domain may send to each other, and nothing may cross to another domain.
//
// An account may always send to itself and ask the server that it is logged in to. What answers a request (an iq result,
// an error) needs no rule of its own where the request had one.
type Rule struct {
	From, To Pattern
	Allow    bool
}

func (r Rule) String() string {
	verb := "deny"
	if r.Allow {
		verb = "allow"
	}
	return fmt.Sprintf("%s from %v to %v", verb, r.From, r.To)
}

// A Pattern stands for a set of addresses, compared as prepared bare JIDs; a resource makes no difference. The zero
// value matches none. See [ParsePattern].
type Pattern struct {
	text           string
	local, domain  string // without the star
	locals, hosts  match
	everythingElse bool // "*": servers too
}

// match is how a part of a pattern is compared.
type match uint8

const (
	exactly  match = iota // octet by octet
	anything              // not at all
	prefix                // how it begins
	below                 // a domain: one or more labels before it
)

// ParsePattern reads a pattern:
//
//   - every address
//     ems@dso.example      one account
//     *@dso.example        every account of a domain
//     pv*@dso.example      every account of a domain whose name begins like that
//     *@*.dso.example      every account of every domain below one, but not of that domain itself
//     ems@*                accounts of that name in every domain
//     dso.example          the server of a domain itself; so do *.dso.example
//
// Names are prepared as those of JIDs are: PV1@DSO.example is pv1@dso.example. A star stands at the end of a name before
// the @, or alone in place of a domain or of its first labels; there are no others. A resource is refused.
//
// RFC 7622, Section 3.
func ParsePattern(text string) (Pattern, error) {
	p := Pattern{text: text}
	fail := func(format string, args ...any) (Pattern, error) {
		return Pattern{}, fmt.Errorf("pattern %q: %s", text, fmt.Sprintf(format, args...))
	}
	if text == "*" {
		p.everythingElse = true
		return p, nil
	}
	if strings.Contains(text, "/") {
		return fail("a rule is about accounts: leave out what follows the slash")
	}
	local, domain, hasLocal := strings.Cut(text, "@")
	if !hasLocal {
		local, domain = "", text
	}
	switch rest, found := strings.CutPrefix(domain, "*."); {
	case domain == "*":
		p.hosts, domain = anything, "any.example" // which is prepared below, and stands for nothing
	case found:
		p.hosts, domain = below, rest
	}
	switch name, found := strings.CutSuffix(local, "*"); {
	case !hasLocal:
	case local == "":
		return fail("there is no name before the @")
	case local == "*":
		p.locals, local = anything, ""
	case found:
		p.locals, local = prefix, name
	}
	if strings.Contains(local, "*") || strings.Contains(domain, "*") {
		return fail("a star stands at the end of a name, or in place of a domain's first labels")
	}
	j, err := jid.New(local, domain, "")
	if syntax, ok := errors.AsType[*jid.SyntaxError](err); ok {
		return fail("%v: %s", syntax.Part, syntax.Msg)
	} else if err != nil {
		return fail("%v", err)
	}
	if p.local, p.domain = j.Local(), j.Domain(); p.hosts == anything {
		p.domain = ""
	}
	if p.hosts == below && strings.ContainsAny(p.domain, "[:") {
		return fail("nothing is below an IP address")
	}
	return p, nil
}

// String returns the pattern as it was written.
func (p Pattern) String() string { return p.text }

// Matches reports whether an address is among those that the pattern stands for.
func (p Pattern) Matches(j jid.JID) bool {
	if p.everythingElse {
		return !j.IsZero()
	}
	if p.text == "" || j.IsZero() {
		return false
	}
	local, domain := j.Local(), j.Domain()
	switch p.locals {
	case exactly:
		if local != p.local {
			return false
		}
	case anything:
		if local == "" {
			return false
		}
	case prefix:
		if !strings.HasPrefix(local, p.local) {
			return false
		}
	}
	switch p.hosts {
	case exactly:
		return domain == p.domain
	case below:
		n := len(domain) - len(p.domain)
		return n > 1 && domain[n-1] == '.' && domain[n:] == p.domain
	}
	return true
}

// decide returns what rules say of two addresses.
func decide(rules []Rule, from, to jid.JID) bool {
	if from.Local() == to.Local() && from.Domain() == to.Domain() {
		return true
	}
	for i := range rules {
		if rule := &rules[i]; rule.From.Matches(from) && rule.To.Matches(to) {
			return rule.Allow
		}
	}
	return from.Domain() == to.Domain()
}

// permits reports whether an account may send to another, by the rules of this moment.
func (s *Server) permits(from, to jid.JID) bool { return decide(s.set.Load().Rules, from, to) }

// maxVerdicts bounds how many decisions a stream remembers.
const maxVerdicts = 256

// verdicts remembers what the rules have said of those who send over one stream, until the rules change. It belongs to
// one goroutine.
type verdicts struct {
	by    *settings
	last  pairOf
	ok    bool
	known map[pairOf]bool
}

// pairOf is a sender and an addressee, both bare.
type pairOf struct{ from, to jid.JID }

// permit reports whether a stanza may pass between two accounts, which are bare. What answers a request may pass where
// the request might.
func (v *verdicts) permit(s *Server, from, to jid.JID, st *stanza.Stanza) bool {
	in := s.set.Load()
	if len(in.Rules) == 0 {
		return from.Domain() == to.Domain()
	}
	if v.by != in {
		*v = verdicts{by: in}
	}
	return v.verdict(pairOf{from, to}) || answers(st) && v.verdict(pairOf{to, from})
}

func (v *verdicts) verdict(p pairOf) bool {
	if v.last == p {
		return v.ok
	}
	ok, known := v.known[p]
	if !known {
		ok = decide(v.by.Rules, p.from, p.to)
		if v.known == nil || len(v.known) >= maxVerdicts {
			v.known = map[pairOf]bool{}
		}
		v.known[p] = ok
	}
	v.last, v.ok = p, ok
	return ok
}

// answers reports whether a stanza can only be an answer to another.
func answers(st *stanza.Stanza) bool {
	return st.Type == stanza.TypeError || st.Kind == stanza.IQ && st.Type == stanza.Result
}

var errDenied = stanza.NewError(stanza.Forbidden, "no rule allows this")

// deniedEvery is how often it is recorded that one account was refused by the rules.
const deniedEvery = time.Minute

// denials counts what the rules refuse to one sender. Its methods may be called by several goroutines.
type denials struct {
	mu   sync.Mutex
	next time.Time // when the next may be recorded
	more int       // how many were not
}

// deny notes one more, and returns what to record of it, if it is time to: what one sender does must not fill the log.
func (d *denials) deny(from, to jid.JID, now time.Time) (audit.Event, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if now.Before(d.next) {
		d.more++
		return audit.Event{}, false
	}
	text := "may not send to " + to.String()
	if d.more > 0 {
		text += fmt.Sprintf("; %d more since the last event", d.more)
	}
	d.next, d.more = now.Add(deniedEvery), 0
	return audit.Event{ID: audit.RuleDenied, Time: now, Peer: from.String(), Subject: from.Bare().String(), Text: text}, true
}
