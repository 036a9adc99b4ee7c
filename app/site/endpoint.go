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

	"busbar.example/scsm/xmpp82"
	"busbar.example/secure/audit"
	"busbar.example/secure/pki"
	"busbar.example/xmpp"
	"busbar.example/xmpp/jid"
)

// Party says how one account of the site goes on line.
type Party struct {
	JID     jid.JID // full; to Dial, the zero JID is the client of the site, and one without a resource gets one
	Connect string  // HOST:PORT of the broker; default: where the site says
	E2E     E2E     // how its associations are protected; default: as the site says
	// PasswordFile holds the password to log in with, in place of the TLS certificate. Default: pki/JID/password, where
	// that is there and the certificate is not.
	PasswordFile string
	Logger       *slog.Logger // nil is silent
	Audit        audit.Sink
	Stream       *xmpp.Trace   // optional hooks
	Carried      *xmpp82.Trace // optional hooks
}

// silent is the logger where none is given.
var silent = slog.New(slog.DiscardHandler)

// endpoint connects a party to the broker. trust verifies its peers, who may have serve associations at once.
func (s *Site) endpoint(ctx context.Context, p Party, trust *endTrust, serve int) (*xmpp82.Endpoint, error) {
	wireTrust, err := s.trust(pki.E2M)
	if err != nil {
		return nil, err
	}
	cfg := xmpp82.Config{
		XMPP: xmpp.Config{JID: p.JID, Trust: wireTrust, AllowUnbound: s.Config.AllowUnbound,
			Logger: p.Logger, Audit: p.Audit, Trace: cmp.Or(p.Stream, steps(p.Logger))},
		Serve: serve > 0, MaxAssociations: serve,
		Trace: p.Carried,
	}
	if file := s.passwordOf(p); file != "" {
		cfg.XMPP.Password = func() (string, error) { return readPassword(file) }
		if _, err := readPassword(file); err != nil {
			return nil, err
		}
	} else {
		wire, err := s.identity(p.JID, "tls")
		if err != nil {
			return nil, err
		}
		if err := checkOwn(p, "TLS", wire, wireTrust.VerifyClient); err != nil {
			return nil, err
		}
		cfg.XMPP.Identity = wire
	}
	if err := s.protection(&cfg, p, trust); err != nil {
		return nil, err
	}
	if cfg.XMPP.Address, err = s.address(ctx, p.Connect, net.DefaultResolver.LookupSRV); err != nil {
		return nil, err
	}
	e, err := xmpp82.Dial(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("%v: broker at %s: %w", p.JID.Bare(), cfg.XMPP.Address, err)
	}
	return e, nil
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

// lookupSRV is net.Resolver.LookupSRV.
type lookupSRV func(ctx context.Context, service, proto, name string) (string, []*net.SRV, error)

// address is where the broker listens: as given, else where a broker of this folder has noted, else as
// busbar.yaml says, else as the domain's SRV record does.
//
// RFC 6120, Section 3.2.1
func (s *Site) address(ctx context.Context, given string, lookup lookupSRV) (string, error) {
	if given != "" {
		return given, CheckAddress("--connect", given)
	}
	noted, err := os.ReadFile(s.brokerFile())
	if err == nil {
		address := strings.TrimSpace(string(noted))
		return address, CheckAddress(s.brokerFile(), address)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	if s.Config.Connect != "" {
		return s.Config.Connect, CheckAddress(FileName+": connect", s.Config.Connect)
	}
	domain := s.jid.ASCIIDomain()
	_, records, err := lookup(ctx, "xmpp-client", "tcp", domain)
	// A target of "." says that the service is not there.
	if err != nil || len(records) == 0 || records[0].Target == "." {
		return "", Hint(fmt.Errorf("no broker runs in %s, and no SRV record names one for %s", s.Dir, domain),
			"start one with `busbar broker`, or say where it is with --connect HOST:PORT")
	}
	return net.JoinHostPort(strings.TrimSuffix(records[0].Target, "."), strconv.Itoa(int(records[0].Port))), nil
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
