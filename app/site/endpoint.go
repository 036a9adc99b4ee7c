package site

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"busbar.example/scsm/xmpp82"
	"busbar.example/secure/audit"
	"busbar.example/secure/e2e"
	"busbar.example/secure/pki"
	"busbar.example/xmpp"
	"busbar.example/xmpp/jid"
)

// Party says how one account of the site goes on line.
type Party struct {
	JID jid.JID // full; to Dial, the zero JID is the client of the site, and one without a resource gets one
	// Connect is where the broker listens, HOST:PORT, or tls://HOST:PORT for TLS from the first octet on; or several such, separated by
	// commas, in the order in which to try. Default: where the site says.
	Connect string
	E2E     E2E // how its associations are protected; default: as the site says
	// PasswordFile holds the password to log in with, in place of the TLS certificate. Default: pki/JID/password, where
	// that is there and the certificate is not.
	PasswordFile string
	Logger       *slog.Logger // nil is silent
	Audit        audit.Sink
	Stream       *xmpp.Trace    // optional hooks
	Carried      *xmpp82.Trace  // optional hooks
	KeepAlive    xmpp.KeepAlive // when a silent broker is asked for a sign of life, and given up
	Resume       time.Duration  // for how long a session that has lost its connection may be taken up again, as xmpp.Config.Resume

	// Bell asks it to look at its files at once; otherwise it looks every few seconds. May be nil.
	Bell *Bell

	serves  bool             // takes associations
	refresh time.Duration    // how often revocation lists are read again; default 1 minute
	replay  *e2e.ReplayCache // what it has been asked for, over all its sessions
}

// Redial goes on line again after a loss, for those who stay on line.
type Redial = xmpp.Redial

// Outage is a time in which one is not on line.
type Outage = xmpp.Outage

// silent is the logger where none is given.
var silent = slog.New(slog.DiscardHandler)

// Login says how a party logs in to the broker: with what, and where that is.
func (s *Site) Login(p Party) (xmpp.Config, error) {
	trust, err := s.trust(pki.E2M)
	if err != nil {
		return xmpp.Config{}, err
	}
	cfg := xmpp.Config{JID: p.JID, Trust: trust, AllowUnbound: s.Config.AllowUnbound,
		KeepAlive: p.KeepAlive, Resume: p.Resume, Logger: p.Logger, Audit: p.Audit, Trace: cmp.Or(p.Stream, steps(p.Logger))}
	if file := s.passwordOf(p); file != "" {
		cfg.Password = func() (string, error) { return readPassword(file) }
		if _, err := readPassword(file); err != nil {
			return cfg, err
		}
	} else {
		if cfg.Identity, err = s.identity(p.JID, "tls"); err != nil {
			return cfg, err
		}
		if err := checkOwn(p, "TLS", cfg.Identity, trust.VerifyClient); err != nil {
			return cfg, err
		}
	}
	cfg.Resolver, err = s.resolver(p.Connect)
	return cfg, err
}

// endpoint connects a party to the broker. trust verifies its peers, who may have serve associations at once.
func (s *Site) endpoint(ctx context.Context, p Party, trust *endTrust, serve int) (*xmpp82.Endpoint, error) {
	login, err := s.Login(p)
	if err != nil {
		return nil, err
	}
	cfg := xmpp82.Config{XMPP: login, Serve: serve > 0, MaxAssociations: serve, Trace: p.Carried}
	p.serves = serve > 0
	if err := s.protection(&cfg, p, trust); err != nil {
		return nil, err
	}
	e, err := xmpp82.Dial(ctx, cfg)
	if err != nil {
		return nil, s.brokerError(p, cfg.XMPP.Resolver, err)
	}
	k := &partySession{site: s, party: p, endpoint: e, wire: login.Trust, tls: login.Identity, end: trust, protected: cfg.Unprotected == nil}
	go k.keep()
	return e, nil
}

// brokerError says which broker has not taken p.
func (s *Site) brokerError(p Party, r *xmpp.Resolver, err error) error {
	who := p.JID.Bare()
	ne, of := errors.AsType[*xmpp.NegotiationError](err)
	_, several := errors.AsType[*xmpp.DialError](err)
	switch {
	case !of:
		return fmt.Errorf("%v: %w", who, err)
	case r.Static == nil && ne.Step == xmpp.StepConnect:
		return Hint(fmt.Errorf("%v: no broker runs in %s, and none is found by the SRV records of %s: %w", who, s.Dir, s.Domain, err),
			"start one with `busbar broker`, or say where it is with --connect HOST:PORT")
	case several:
		return fmt.Errorf("%v: brokers of %s: %w", who, s.Domain, err)
	}
	return fmt.Errorf("%v: broker at %s: %w", who, ne.Target, err)
}

// steps tells the steps of a stream to a log.
func steps(log *slog.Logger) *xmpp.Trace {
	if log == nil {
		return nil
	}
	return &xmpp.Trace{
		Connected: func(local, remote net.Addr) { log.Debug("connected", "local", local, "remote", remote) },
		Opened:    func(from, id string) { log.Debug("stream opened", "from", from, "id", id) },
		Features:  func(names []string) { log.Debug("features announced", "names", names) },
		Secured: func(info xmpp.Info) {
			name := "without a valid certificate"
			if info.Peer != nil {
				name = pki.Name(info.Peer.Leaf())
			}
			log.Debug("TLS is up", "version", tls.VersionName(info.TLS.Version), "suite", tls.CipherSuiteName(info.TLS.CipherSuite), "peer", name)
		},
		Authenticated: func(account jid.JID, info xmpp.Info) {
			log.Debug("authenticated", "mechanism", info.Mechanism, "binding", info.ChannelBinding, "account", account)
		},
		Bound: func(full jid.JID) { log.Debug("bound", "jid", full) },
		Ended: func(err error) { log.Debug("stream ended", "err", err) },
	}
}

// resolver knows where the domain's brokers listen: as given, else where a broker of this folder has noted, else as busbar.yaml says.
// Where none of them does it asks the DNS.
//
// RFC 6120, Section 3.2.1
func (s *Site) resolver(given string) (*xmpp.Resolver, error) {
	where, places := "--connect", Addresses(strings.Split(given, ","))
	if given == "" {
		noted, err := os.ReadFile(s.brokerFile())
		switch {
		case err == nil:
			where, places = s.brokerFile(), Addresses{strings.TrimSpace(string(noted))}
		case errors.Is(err, fs.ErrNotExist):
			where, places = FileName+": connect", s.Config.Connect
		default:
			return nil, err
		}
	}
	targets, err := places.targets(where)
	if err != nil || len(targets) == 0 {
		return new(xmpp.Resolver), err
	}
	return &xmpp.Resolver{Static: map[string][]xmpp.Target{s.Domain: targets}}, nil
}

// Addresses are places of a server, in the order in which to try: HOST:PORT, or tls://HOST:PORT for TLS from the first octet on. In
// YAML they are a list, or one of them.
type Addresses []string

// UnmarshalYAML reads one or several.
func (a *Addresses) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind != yaml.ScalarNode {
		return n.Decode((*[]string)(a))
	}
	*a = Addresses{""}
	return n.Decode(&(*a)[0])
}

// targets makes sense of a; where says what holds it.
func (a Addresses) targets(where string) ([]xmpp.Target, error) {
	targets := make([]xmpp.Target, len(a))
	for i, text := range a {
		var err error
		if targets[i], err = xmpp.ParseTarget(strings.TrimSpace(text)); err != nil {
			return nil, Hint(fmt.Errorf("%s: %q is neither HOST:PORT nor tls://HOST:PORT", where, text), "write for example 127.0.0.1:5222")
		}
	}
	return targets, nil
}

// CheckConnect refuses what is no Party.Connect; where says what holds it.
func CheckConnect(where, text string) error {
	_, err := Addresses(strings.Split(text, ",")).targets(where)
	return err
}

// CheckAddress refuses what is not HOST:PORT; where says what holds the address.
func CheckAddress(where, address string) error {
	_, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return Hint(fmt.Errorf("%s: %q is not HOST:PORT", where, address), "write for example 127.0.0.1:5222")
	}
	return nil
}
