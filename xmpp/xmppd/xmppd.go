// Package xmppd is an XMPP server for one domain that lives inside a program. Certificates name its accounts,
// or passwords where that is configured; configuration says who sees whom and who may send to whom, here and in other domains,
// whose servers it talks to by certificate. No message is kept for who is not there: a stanza reaches a session, one that may
// still be resumed among them, or it is refused.
//
// A stanza's payload is forwarded as the octets that arrived. Only where these octets lean on declarations outside
// of themselves are they rewritten, without a change of meaning.
//
// RFC 6120; RFC 6121 without storage; XEP-0198; XEP-0012, XEP-0030, XEP-0092, XEP-0115, XEP-0199 and XEP-0202 as far as a
// server answers them.
package xmppd

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"busbar.example/secure/audit"
	"busbar.example/secure/pki"
	"busbar.example/xmpp"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/sasl"
)

// Config says what a server serves. Domain, Trust and Live.Identity are needed; every other field's zero value is its
// default. New copies it, but for Passwords.
type Config struct {
	Domain string     // the one domain that is served
	Trust  *pki.Trust // anchors for the clients' certificates

	// Passwords are the accounts that may log in by password, without a client certificate. They may be set anew while
	// the server runs. Nil or without accounts: certificates are needed.
	Passwords *sasl.Passwords
	Live      // what Reload may change

	// Legacy lets clients log in by SCRAM-SHA-1 and PLAIN too, and Registrations is how many accounts there may be for
	// clients to make another over their streams, 0 for none. Both are for servers that other programs' tests are run
	// against, and need Passwords.
	//
	// XEP-0077.
	Legacy        bool
	Registrations int

	// Rosters, if set, lets accounts keep rosters of their own and agree with others to see each other, besides those of
	// their groups. Nil: Groups alone say who sees whom.
	Rosters *Rosters
	// Federation lets stanzas go to other domains and come from there, as far as the Rules allow. Nil: they do not.
	Federation *Federation

	NegotiationTimeout time.Duration // from connection to bound resource; default 10 s
	WriteTimeout       time.Duration // for one write to make its way; default 10 s
	KeepAlive          xmpp.KeepAlive
	ResumeTime         time.Duration // for which a session is kept whose connection has broken; default 60 s; negative: not
	Recheck            time.Duration // how often the clients' certificates are judged again; default 1 h

	Logger *slog.Logger // nil is silent
	Audit  audit.Sink   // nil discards

	// Tap, if set, is shown every stanza that arrives: who sent it, its start tag and the octets between the tags, as
	// they came out of TLS. It runs on the reading goroutine and must keep neither slice.
	Tap func(from jid.JID, start, payload []byte)
}

// A Group is a set of accounts that see each other. Those of other domains see them, and are seen, where the server of their
// domain has them in a group too.
type Group struct {
	Name    string // shown in rosters, "" for none
	Members []jid.JID
}

// ErrServerClosed is returned by Serve after Shutdown or Close.
var ErrServerClosed = fmt.Errorf("xmppd: the server is closed: %w", net.ErrClosed)

// Server is an XMPP server for one domain. Its methods may be called by several goroutines.
type Server struct {
	cfg     Config
	domain  jid.JID
	gate    gate
	set     atomic.Pointer[settings] // replaced by Reload, under mu
	answers []service                // to requests
	caps    string                   // hash of them
	fed     *federation              // nil: there are no other domains

	began    time.Time
	bound    atomic.Uint64             // streams that were set up
	resumed  atomic.Uint64             // sessions that were resumed
	notBound [len(steps)]atomic.Uint64 // those that were not

	open     context.Context // until Shutdown or Close: something new may begin
	shut     context.CancelFunc
	live     context.Context // until Close, or until Shutdown has waited enough: connections may go on
	cut      context.CancelFunc
	watching sync.Once      // for the goroutine that rechecks, which the first Serve starts
	work     sync.WaitGroup // that goroutine, and one for each connection

	registering sync.Mutex // an account is looked for, and made

	// mu guards the table of sessions and their presence. What is pushed into a stream's queue while it is held can
	// not change its order with another change of presence; nothing that could wait happens under it.
	mu        sync.RWMutex
	accounts  map[jid.JID]*account
	groups    map[jid.JID][]contact // by account; nil: everybody sees everybody
	books     map[jid.JID]*book     // rosters that accounts keep, by account
	era       string                // of the versions of rosters
	order     []*account            // as they first logged in
	listeners map[net.Listener]struct{}
	resumable map[string]*session // by the ids under which they may be
	detached  int                 // sessions without a connection
	lost      []*session          // to be settled by unlock
	tags      []byte              // buffer for start and end tags
	events    []audit.Event       // to be recorded by unlock
	pushes    uint64              // roster pushes made so far: their ids
}

// account is a bare JID that has logged in since the server started.
type account struct {
	jid           jid.JID
	may           atomic.Pointer[allowance]
	sessions      []*session // in the order in which they bound
	sent, stanzas bucket     // by all of them
	denied        denials
	tally         tally
}

// New returns a server that does not listen yet.
func New(cfg Config) (*Server, error) {
	domain, err := jid.New("", cfg.Domain, "")
	if err != nil {
		return nil, fmt.Errorf("xmppd: the domain to serve: %w", err)
	}
	if cfg.Trust == nil {
		return nil, errors.New("xmppd: a server needs trust anchors")
	}
	if cfg.Passwords == nil && (cfg.Legacy || cfg.Registrations > 0) {
		return nil, errors.New("xmppd: passwords of clients, or registration, without a place for passwords")
	}
	cfg.Domain = domain.Domain()
	set, err := newSettings(cfg.Live, cfg.Domain)
	if err != nil {
		return nil, err
	}
	cfg.Live = Live{} // which is of the moment: see Server.set
	if cfg.ResumeTime == 0 {
		cfg.ResumeTime = time.Minute
	}
	if cfg.Recheck <= 0 {
		cfg.Recheck = time.Hour
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Audit == nil {
		cfg.Audit = audit.Discard
	}
	if cfg.Rosters != nil {
		r := *cfg.Rosters
		if r.Items <= 0 {
			r.Items = 1024
		}
		cfg.Rosters = &r
	}
	s := &Server{
		books: map[jid.JID]*book{}, era: rand.Text(),
		cfg: cfg, domain: domain, began: time.Now(), gate: newGate(set.Limits),
		accounts: map[jid.JID]*account{}, listeners: map[net.Listener]struct{}{}, resumable: map[string]*session{},
	}
	s.answers = newServices(&s.cfg)
	s.caps = capsOf(s.answers)
	s.set.Store(set)
	s.groups = set.groups
	s.live, s.cut = context.WithCancel(context.Background())
	s.open, s.shut = context.WithCancel(s.live)
	if s.fed, err = newFederation(cfg.Federation, s.live); err != nil {
		return nil, err
	}
	return s, nil
}

// unlock releases s.mu, and then does what has to be done about what has happened under it: to record events, for a sink may
// write to a file, and to send back what sessions that have ended did not get.
func (s *Server) unlock() {
	events, lost := s.events, s.lost
	s.events, s.lost = nil, nil
	s.mu.Unlock()
	for _, e := range events {
		s.cfg.Audit.Record(e)
	}
	for _, ses := range lost {
		s.sendBack(ses)
	}
}
