package site

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"busbar.example/xmpp"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/xmppd"
)

// Broker says how `busbar broker` serves the domain.
type Broker struct {
	Listen   Addresses    `yaml:"listen,omitempty"`   // HOST:PORT, one or several; default 127.0.0.1:5222
	Accounts []string     `yaml:"accounts,omitempty"` // patterns of who may log in; default: every account of the domain
	Groups   []Group      `yaml:"groups,omitempty"`   // who sees whose presence; default: all accounts each other's
	Contacts int          `yaml:"contacts,omitempty"` // that an account may add to those of its groups, if they agree; default 0: groups alone count
	Rules    []Rule       `yaml:"rules,omitempty"`    // who may send to whom; default: all within the domain, nobody across
	Limits   BrokerLimits `yaml:"limits,omitempty"`

	SlowReaders string        `yaml:"slow_readers,omitempty"` // cut or drop; default cut
	Resume      time.Duration `yaml:"resume,omitempty"`       // how long a session whose connection has broken may be resumed; default 60s
	MaxAge      time.Duration `yaml:"max_age,omitempty"`      // of a stream; default 12h, at most 24h
	Drain       time.Duration `yaml:"drain,omitempty"`        // how long clients have to take what is queued when the broker ends; default 5s
	Metrics     Metrics       `yaml:"metrics,omitempty"`
	S2S         S2S           `yaml:"s2s,omitempty"`
}

// Group is a set of accounts that see each other.
type Group struct {
	Name    string   `yaml:"name"`
	Members []string `yaml:"members"`
}

// Rule says whether accounts may send to others: one of the two is given.
type Rule struct {
	Allow *Way `yaml:"allow,omitempty"`
	Deny  *Way `yaml:"deny,omitempty"`
}

// Way is from whom to whom, or between two both ways, by patterns.
type Way struct {
	From    string   `yaml:"from,omitempty"`
	To      string   `yaml:"to,omitempty"`
	Between []string `yaml:"between,omitempty"`
}

// BrokerLimits bound what clients cost; what is left out has its default.
type BrokerLimits struct {
	Connections               int `yaml:"connections,omitempty"`                 // at once; default 4096
	ConnectionsPerAddress     int `yaml:"connections_per_address,omitempty"`     // default 1024
	UnauthenticatedPerAddress int `yaml:"unauthenticated_per_address,omitempty"` // default 128
	StanzaSize                int `yaml:"stanza_size,omitempty"`                 // octets of one stanza; default 262144
	Queue                     int `yaml:"queue,omitempty"`                       // octets that may wait for a client; default 1048576

	AccountLimits `yaml:",inline"`
	Accounts      []SomeLimits `yaml:"accounts,omitempty"` // others for certain accounts: the first that fits counts
}

// AccountLimits bound what one account costs.
type AccountLimits struct {
	Resources  int `yaml:"resources,omitempty"`   // at once; default 16
	Rate       int `yaml:"rate,omitempty"`        // octets a second that it may send; default 33554432; -1: no bound
	Stanzas    int `yaml:"stanzas,omitempty"`     // stanzas a second; default -1: no bound
	QueueShare int `yaml:"queue_share,omitempty"` // octets of another's queue; default: half of it
}

// SomeLimits are limits for the accounts that a pattern stands for.
type SomeLimits struct {
	For           string `yaml:"for"`
	AccountLimits `yaml:",inline"`
}

// Metrics says where the numbers of the broker may be read.
type Metrics struct {
	Listen      string `yaml:"listen,omitempty"`       // HOST:PORT for /metrics, /healthz, /readyz and /status; default: nowhere
	AllowRemote bool   `yaml:"allow_remote,omitempty"` // HOST may be another than that of loopback
}

const (
	defaultListen = "127.0.0.1:5222"
	defaultDrain  = 5 * time.Second
	maxContacts   = 100_000
)

// broker is Broker, parsed.
type broker struct {
	listen   []string
	accounts []xmppd.Pattern // nil: every one of the domain
	live     xmppd.Live      // without what lies in files
	contacts int             // of an account, besides its groups
	resume   time.Duration   // 0: the default
	drain    time.Duration
	metrics  Metrics
	s2s      S2S
}

const (
	patternHint = "write an account (ems, ems@utility.example), a set of them (pv*, *@dso.example, *@*.example), or * for everybody"
	ruleHint    = "write for example - allow: {between: [ems@utility.example, \"*@dso.example\"]}, or - deny: {from: guest, to: \"*\"}"
)

// parseBroker makes sense of what is said of the broker. An error is a *fieldError.
func (s *Site) parseBroker(b Broker) (broker, error) {
	p := broker{listen: b.Listen, contacts: b.Contacts, resume: b.Resume, drain: cmp.Or(b.Drain, defaultDrain), metrics: b.Metrics}
	if len(p.listen) == 0 {
		p.listen = []string{defaultListen}
	}
	for i, a := range b.Listen {
		if err := CheckAddress("listen", a); err != nil {
			return broker{}, at(err, "listen", i)
		}
	}
	for _, step := range []func(*broker, Broker) error{s.parseAccounts, s.parseGroups, s.parseRules, s.parseLimits, s.parseS2S, s.parseRest} {
		if err := step(&p, b); err != nil {
			return broker{}, err
		}
	}
	return p, nil
}

// pattern reads a pattern; a name alone is an account of the site's domain.
func (s *Site) pattern(text string) (xmppd.Pattern, error) {
	full := text
	if text != "*" && !strings.ContainsAny(text, "@./") {
		full = text + "@" + s.Domain
	}
	p, err := xmppd.ParsePattern(full)
	if err != nil {
		return xmppd.Pattern{}, Hint(err, patternHint)
	}
	return p, nil
}

func (s *Site) parseAccounts(p *broker, b Broker) error {
	if b.Accounts == nil {
		return nil
	}
	p.accounts = []xmppd.Pattern{}
	for i, text := range b.Accounts {
		one, err := s.pattern(text)
		if err != nil {
			return at(err, "accounts", i)
		}
		p.accounts = append(p.accounts, one)
	}
	accounts := p.accounts
	p.live.Allowed = func(j jid.JID) bool {
		for _, one := range accounts {
			if one.Matches(j) {
				return true
			}
		}
		return false
	}
	return nil
}

func (s *Site) parseGroups(p *broker, b Broker) error {
	if b.Groups != nil {
		p.live.Groups = []xmppd.Group{}
	}
	for i, g := range b.Groups {
		group := xmppd.Group{Name: g.Name}
		for k, m := range g.Members {
			j, err := s.Peer(m)
			if err != nil {
				return at(err, "groups", i, "members", k)
			}
			group.Members = append(group.Members, j.Bare())
		}
		p.live.Groups = append(p.live.Groups, group)
	}
	return nil
}

func (s *Site) parseRules(p *broker, b Broker) error {
	for i, r := range b.Rules {
		way, verb := r.Allow, "allow"
		if r.Deny != nil {
			way, verb = r.Deny, "deny"
		}
		if way == nil || r.Allow != nil && r.Deny != nil {
			return at(Hint(errors.New("a rule allows or denies, one of the two"), ruleHint), "rules", i)
		}
		ends := [2]string{way.From, way.To}
		where := [2][]any{{"rules", i, verb, "from"}, {"rules", i, verb, "to"}}
		switch both := way.Between; {
		case both == nil && way.From != "" && way.To != "":
		case len(both) == 2 && way.From == "" && way.To == "":
			ends = [2]string(both)
			where = [2][]any{{"rules", i, verb, "between", 0}, {"rules", i, verb, "between", 1}}
		default:
			return at(Hint(errors.New("it has from and to, or the two of between"), ruleHint), "rules", i, verb)
		}
		var of [2]xmppd.Pattern
		for k, text := range ends {
			var err error
			if of[k], err = s.pattern(text); err != nil {
				return at(err, where[k]...)
			}
		}
		p.live.Rules = append(p.live.Rules, xmppd.Rule{From: of[0], To: of[1], Allow: verb == "allow"})
		if way.Between != nil {
			p.live.Rules = append(p.live.Rules, xmppd.Rule{From: of[1], To: of[0], Allow: verb == "allow"})
		}
	}
	return nil
}

func (s *Site) parseLimits(p *broker, b Broker) error {
	l := b.Limits
	for _, f := range []struct {
		name           string
		v, least, most int
	}{
		{"connections", l.Connections, 1, 1 << 20},
		{"connections_per_address", l.ConnectionsPerAddress, 1, 1 << 20},
		{"unauthenticated_per_address", l.UnauthenticatedPerAddress, 1, 1 << 20},
		{"stanza_size", l.StanzaSize, 10_000, 16 << 20}, // RFC 6120, Section 13.12, asks for 10,000 octets
		{"queue", l.Queue, 16 << 10, 1 << 30},
	} {
		if err := within(f.v, f.least, f.most); err != nil {
			return at(err, "limits", f.name)
		}
	}
	if err := l.AccountLimits.check("limits"); err != nil {
		return err
	}
	p.live.QueueSize, p.live.Stream = l.Queue, xmpp.Limits{Authenticated: l.StanzaSize}
	p.live.Limits = xmppd.Limits{
		Connections: l.Connections, ConnectionsPerAddress: l.ConnectionsPerAddress, UnauthenticatedPerAddress: l.UnauthenticatedPerAddress,
		ResourcesPerAccount: l.Resources, Rate: l.Rate, Stanzas: l.Stanzas, QueueShare: l.QueueShare,
	}
	for i, some := range l.Accounts {
		of, err := s.pattern(some.For)
		if err != nil {
			return at(err, "limits", "accounts", i, "for")
		}
		if err := some.check("limits", "accounts", i); err != nil {
			return err
		}
		p.live.Limits.Accounts = append(p.live.Limits.Accounts, xmppd.AccountLimits{Accounts: of,
			Resources: some.Resources, Rate: some.Rate, Stanzas: some.Stanzas, QueueShare: some.QueueShare})
	}
	return nil
}

func (l AccountLimits) check(path ...any) error {
	for _, f := range []struct {
		name           string
		v, least, most int
	}{
		{"resources", l.Resources, 1, 1 << 16},
		{"rate", l.Rate, 1 << 10, 1 << 40},
		{"stanzas", l.Stanzas, 1, 1 << 30},
		{"queue_share", l.QueueShare, 1 << 10, 1 << 30},
	} {
		if f.v == -1 && (f.name == "rate" || f.name == "stanzas") {
			continue // no bound
		}
		if err := within(f.v, f.least, f.most); err != nil {
			return at(err, append(path, f.name)...)
		}
	}
	return nil
}

func within(v, least, most int) error {
	if v != 0 && (v < least || v > most) {
		return Hint(fmt.Errorf("%d is not %d to %d", v, least, most), "leave it out for its default, or choose another number; sizes are in octets, rates in a second")
	}
	return nil
}

func (s *Site) parseRest(p *broker, b Broker) error {
	switch b.SlowReaders {
	case "", "cut":
	case "drop":
		p.live.SlowReaders = xmppd.DropForSlowReaders
	default:
		return at(Hint(fmt.Errorf("%q is neither cut nor drop", b.SlowReaders), "cut ends the stream of who reads too slowly, drop throws away what others send it unasked"), "slow_readers")
	}
	for _, d := range []struct {
		name           string
		v, least, most time.Duration
	}{{"resume", b.Resume, time.Second, time.Hour}, {"max_age", b.MaxAge, time.Minute, 24 * time.Hour}, {"drain", b.Drain, time.Second, time.Hour}} {
		if d.v != 0 && (d.v < d.least || d.v > d.most) {
			return at(Hint(fmt.Errorf("%v is not %v to %v", d.v, d.least, d.most), "write for example 90s, 15m or 12h"), d.name)
		}
	}
	if b.Contacts < 0 || b.Contacts > maxContacts {
		return at(Hint(fmt.Errorf("%d is not 0 to %d", b.Contacts, maxContacts), "write how many contacts an account may add to those of its groups; 0: none"), "contacts")
	}
	p.live.MaxAge = b.MaxAge
	if b.Metrics.Listen == "" {
		return nil
	}
	if err := CheckAddress("listen", b.Metrics.Listen); err != nil {
		return at(err, "metrics", "listen")
	}
	if !b.Metrics.AllowRemote && !isLoopback(b.Metrics.Listen) {
		return at(Hint(fmt.Errorf("%s is no loopback address", b.Metrics.Listen),
			"what is served there names who is connected, without asking who reads it: listen on 127.0.0.1, or say metrics: allow_remote: true"), "metrics", "listen")
	}
	return nil
}

// isLoopback reports whether HOST:PORT can be reached from this host only.
func isLoopback(address string) bool {
	if rest, found := strings.CutPrefix(address, "localhost:"); found && rest != "" {
		return true
	}
	ap, err := netip.ParseAddrPort(address)
	return err == nil && ap.Addr().Unmap().IsLoopback()
}
