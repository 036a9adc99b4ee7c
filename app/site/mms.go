package site

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"runtime/debug"
	"strings"
	"time"

	"busbar.example/acsi"
	"busbar.example/acsi/server"
	"busbar.example/mms/assoc"
	"busbar.example/scsm/iso81"
	"busbar.example/scsm/mmsmap"
	"busbar.example/secure/audit"
	"busbar.example/secure/pki"
	"busbar.example/secure/rbac"
	"busbar.example/xmpp/jid"
)

// ListenMMS says where an IED serves IEC 61850-8-1, MMS over TCP.
type ListenMMS struct {
	Address string // HOST:PORT, or only one of both; "": not at all
	TLS     bool
	Strict  bool // take nothing from clients that the standards do not allow
}

// ParseListenMMS reads HOST:PORT, HOST or :PORT, and behind a comma tls. The port is 102, or 3782 with TLS, where none is given.
func ParseListenMMS(text string) (l ListenMMS, err error) {
	l.Address, text, _ = strings.Cut(text, ",")
	switch text {
	case "":
	case "tls":
		l.TLS = true
	default:
		return l, Hint(fmt.Errorf("%q is no way to listen", text), "write HOST:PORT or HOST:PORT,tls")
	}
	port := iso81.Port
	if l.TLS {
		port = iso81.TLSPort
	}
	if _, _, err := net.SplitHostPort(l.Address); err != nil {
		l.Address = net.JoinHostPort(strings.Trim(l.Address, "[]"), fmt.Sprint(port))
	}
	return l, CheckAddress("--listen-mms", l.Address)
}

// leastMMSPDU is the least PDU size that a client over TCP may ask for, in octets.
const leastMMSPDU = 64

// mmsAssociations is what a party here offers its peers over TCP.
func (s *Site) mmsAssociations(strict bool) assoc.Config {
	cfg := assoc.Config{MaxPDU: s.Config.MaxPDU, LeastPDU: leastMMSPDU}
	if !strict {
		cfg.Lenient = assoc.Tolerant()
	}
	return cfg
}

// listenMMS listens for clients over TCP. The trust is what verifies their certificates, the identity what
// they are shown with TLS, or nil.
func (s *Site) listenMMS(ctx context.Context, o IEDOptions) (*iso81.Listener, *pki.Trust, *pki.Identity, error) {
	peers, err := s.mmsSubjects()
	if err != nil {
		return nil, nil, nil, err
	}
	cfg := iso81.ServerConfig{Config: iso81.Config{MaxPDU: s.Config.MaxPDU, Strict: o.MMS.Strict, Audit: o.Audit, Logger: o.Logger}}
	cfg.Subject = func(c iso81.Credentials) (rbac.Subject, error) { return admitted(c, peers.subject, o.Audit, o.Logger) }
	trust, err := s.mmsTrust()
	if err != nil {
		return nil, nil, nil, err
	}
	cfg.AuthTrust = trust
	var id *pki.Identity
	if o.MMS.TLS {
		if id, err = s.mmsIdentity(o.JID); err != nil {
			return nil, nil, nil, err
		}
		cfg.TLS = &iso81.TLS{Identity: id, Trust: trust}
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", o.MMS.Address)
	if err != nil {
		return nil, nil, nil, Hint(fmt.Errorf("--listen-mms: %w", err), "ports below 1024 take the right to use them: choose another, such as :10102, or run as a user that has it")
	}
	l, err := iso81.NewListener(ln, cfg)
	if err != nil {
		ln.Close()
		return nil, nil, nil, err
	}
	return l, trust, id, nil
}

// admitted records who is taken and who is not; the log says what can be done about that.
func admitted(c iso81.Credentials, subject func(iso81.Credentials) (rbac.Subject, error), events audit.Sink, log *slog.Logger) (rbac.Subject, error) {
	if events == nil {
		events = audit.Discard
	}
	who, err := subject(c)
	if err != nil {
		events.Record(audit.Event{ID: audit.PeerRefused, Time: time.Now(), Peer: c.RemoteAddr, Text: err.Error() + "; it has shown: " + proofOf(c)})
		log.Warn("an MMS client is refused", "address", c.RemoteAddr, "why", errors.Unwrap(err), "hint", HintFor(err))
		return who, err
	}
	events.Record(audit.Event{ID: audit.PeerTaken, Time: time.Now(), Peer: c.RemoteAddr, Subject: who.Name, Roles: who.Grants, Text: proofOf(c)})
	return who, nil
}

// proofOf says what a peer has shown of itself.
func proofOf(c iso81.Credentials) string {
	var shown []string
	if c.TLS != nil {
		shown = append(shown, "TLS certificate "+pki.Name(c.TLS.Leaf()))
	}
	if c.Certificate != nil {
		shown = append(shown, "ACSE certificate "+pki.Name(c.Certificate.Leaf()))
	}
	if c.Password != nil {
		shown = append(shown, "ACSE password")
	}
	return cmp.Or(strings.Join(shown, ", "), "address only")
}

// mmsIdentity is what an IED shows to clients over TCP with TLS.
func (s *Site) mmsIdentity(j jid.JID) (*pki.Identity, error) {
	id, err := pki.LoadIdentity(s.partyFile(j, "mms", "crt"), s.partyFile(j, "mms", "key"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, Hint(fmt.Errorf("%v has no certificate for MMS over TLS in %s", j.Bare(), s.Path("pki")),
			"issue one for the hosts that clients reach it at, with `busbar pki issue mms "+j.Bare().String()+" --host HOST`")
	}
	if err != nil {
		return nil, keyHint(fmt.Errorf("%v: %w", j.Bare(), err))
	}
	return id, nil
}

// IssueMMS makes the key and certificate that the IED j shows to clients over TCP with TLS, for the hosts, DNS names and
// addresses, that they reach it at. It replaces what is there only when told to.
//
// IEC 62351-3.
func (s *Site) IssueMMS(j jid.JID, hosts []string, replace bool) error {
	j = j.Bare()
	if j.Domain() != s.Domain {
		return s.otherDomain(j)
	}
	crt, key := s.partyFile(j, "mms", "crt"), s.partyFile(j, "mms", "key")
	if _, err := pki.LoadIdentity(crt, key); !errors.Is(err, fs.ErrNotExist) && !replace {
		return Hint(fmt.Errorf("%v has a certificate for MMS already", j), "see it with `busbar pki show "+crt+"`, or replace it with --force")
	}
	for _, host := range hosts {
		if strings.EqualFold(host, s.Domain) || strings.EqualFold(host, s.jid.ASCIIDomain()) {
			return Hint(fmt.Errorf("%s is the domain of the broker, which no IED may stand for", host), "give the host name or address of the IED")
		}
	}
	ca, err := s.loadCA(pki.E2M, "issuing")
	if err != nil {
		return err
	}
	id, err := ca.IssuePeerTLS(j.String(), hosts...)
	if err != nil {
		return err
	}
	return s.save(id, j.String(), "mms")
}

// identityOf is what the IED says of itself when it is asked to identify itself: as its model has it, else this program.
//
// IEC 61850-7-3, 7.8.3 (DPL) and 7.8.4 (LPL).
func identityOf(engine *server.Engine) mmsmap.Identity {
	m := engine.Model()
	id := mmsmap.Identity{Vendor: "Busbar", Model: m.IED, Revision: programVersion()}
	text := func(ref string, into *string) bool {
		r, err := acsi.ParseRef(ref)
		if err != nil {
			return false
		}
		v, err := engine.Value(r)
		if err != nil || v.Text() == "" {
			return false
		}
		*into = v.Text()
		return true
	}
	for _, ld := range m.LDs {
		for _, ln := range ld.LNs {
			path := ld.Name + "/" + ln.Node.Name
			switch ln.Node.Class {
			case "LPHD":
				if text(path+".PhyNam.vendor[DC]", &id.Vendor) {
					text(path+".PhyNam.model[DC]", &id.Model)
					text(path+".PhyNam.swRev[DC]", &id.Revision)
					return id
				}
			case "LLN0":
				if text(path+".NamPlt.vendor[DC]", &id.Vendor) {
					text(path+".NamPlt.swRev[DC]", &id.Revision)
				}
			}
		}
	}
	return id
}

func programVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "unknown"
}
