package site

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"strconv"
	"strings"
	"syscall"

	"busbar.example/scsm/iso81"
	"busbar.example/scsm/mmsmap"
	"busbar.example/secure/audit"
	"busbar.example/secure/pki"
	"busbar.example/xmpp/jid"
)

// MMSTarget is an IED that is reached by IEC 61850-8-1, MMS over TCP.
type MMSTarget struct {
	Address         string // HOST:PORT
	TLS             bool
	ServerName      string // that its certificate has, where that is not the host
	Called, Calling iso81.Address
}

// The schemes of an MMSTarget.
const (
	mmsScheme    = "mms"
	mmsTLSScheme = "mmss"
)

// IsMMS reports whether text is written as an MMSTarget, and not as a JID.
func IsMMS(text string) bool {
	return strings.HasPrefix(text, mmsScheme+"://") || strings.HasPrefix(text, mmsTLSScheme+"://")
}

const mmsTargetHint = "write mms://HOST[:PORT], or mmss://HOST[:PORT] with TLS; behind it, where the IED wants others: " +
	"?ap-title=1.1.1.999.1&ae=12&psel=00000001&ssel=0001&tsel=0001, for itself, or calling-ap-title=… and so on for this end"

// ParseMMS reads mms://HOST[:PORT] or, with TLS, mmss://HOST[:PORT]. The port is 102, or 3782 with TLS, where none is given. A query
// may change titles and selectors, which an empty value leaves out, and the name in the IED's certificate (tls-name).
//
// IEC 61850-8-1, A-associate parameters.
func ParseMMS(text string) (t MMSTarget, err error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != mmsScheme && u.Scheme != mmsTLSScheme || u.Hostname() == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.Fragment != "" {
		return t, Hint(fmt.Errorf("%q is no address of an IED", text), mmsTargetHint)
	}
	t.TLS = u.Scheme == mmsTLSScheme
	port := u.Port()
	if port == "" {
		port = strconv.Itoa(iso81.Port)
		if t.TLS {
			port = strconv.Itoa(iso81.TLSPort)
		}
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return t, Hint(fmt.Errorf("%q: there is no port %s", text, port), mmsTargetHint)
	}
	t.Address = net.JoinHostPort(u.Hostname(), port)
	t.Called, t.Calling = iso81.CalledAddress(), iso81.CallingAddress()
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return t, Hint(fmt.Errorf("%q: %w", text, err), mmsTargetHint)
	}
	for key, values := range query {
		if err := t.set(key, values[len(values)-1]); err != nil {
			return t, Hint(fmt.Errorf("%s=%s: %w", key, values[len(values)-1], err), mmsTargetHint)
		}
	}
	return t, nil
}

// set takes one parameter of a query.
func (t *MMSTarget) set(key, value string) (err error) {
	if key == "tls-name" {
		t.ServerName = value
		return nil
	}
	address, name := &t.Called, key
	if rest, ours := strings.CutPrefix(key, "calling-"); ours {
		address, name = &t.Calling, rest
	}
	switch name {
	case "ap-title":
		address.APTitle = value
	case "ae":
		if address.AEQualifier = nil; value != "" {
			var n int64
			n, err = strconv.ParseInt(value, 10, 32)
			address.AEQualifier = &n
		}
	case "psel":
		address.PSelector, err = selector(value)
	case "ssel":
		address.SSelector, err = selector(value)
	case "tsel":
		address.TSelector, err = selector(value)
	default:
		return errors.New("there is no such parameter")
	}
	if err != nil {
		return errors.New("selectors are hexadecimal digits, a qualifier is a number")
	}
	return nil
}

func selector(value string) ([]byte, error) {
	if value == "" {
		return nil, nil
	}
	return hex.DecodeString(value)
}

// MMSParty says how a client asks an IED over TCP. The zero MMSParty is for plain TCP: it shows nothing of itself.
type MMSParty struct {
	Identity *pki.Identity // shown with TLS; see Site.MMSIdentity
	Trust    *pki.Trust    // verifies the IED, with TLS
	Password string        // shown in ACSE, where it is not empty
	Strict   bool          // take nothing from the IED that the standards do not allow
	MaxPDU   int           // octets of the largest PDU that is taken; default 65000
	Logger   *slog.Logger  // nil is silent
	Audit    audit.Sink
	Trace    *iso81.Trace // optional hooks
}

// MMSParty is how the account j asks IEDs over TCP: with TLS, by the certificate that it logs in to the broker with.
func (s *Site) MMSParty(j jid.JID, tls bool) (p MMSParty, err error) {
	p.MaxPDU = s.Config.MaxPDU
	if !tls {
		return p, nil
	}
	if p.Identity, err = s.identity(j, "tls"); err != nil {
		return p, err
	}
	p.Trust, err = s.mmsTrust()
	return p, err
}

// ReadPassword puts the password in a file into p.
func (p *MMSParty) ReadPassword(file string) (err error) {
	p.Password, err = readPassword(file)
	return err
}

// DialMMS associates with an IED over TCP.
func DialMMS(ctx context.Context, p MMSParty, t MMSTarget) (*Client, error) {
	cfg := iso81.Config{Called: t.Called, Calling: t.Calling, MaxPDU: p.MaxPDU, Strict: p.Strict, Logger: p.Logger, Audit: p.Audit, Trace: p.Trace}
	if t.TLS {
		cfg.TLS = &iso81.TLS{Identity: p.Identity, Trust: p.Trust, ServerName: t.ServerName}
	}
	if p.Password != "" {
		cfg.Auth = &iso81.Auth{Password: []byte(p.Password)}
	}
	link, err := iso81.Dial(ctx, t.Address, cfg)
	if err != nil {
		return nil, t.explained(err)
	}
	lenient := mmsmap.Tolerant()
	if p.Strict {
		lenient = mmsmap.Lenient{}
	}
	site := &Site{Config: Config{MaxPDU: p.MaxPDU}}
	client, err := lenient.Associate(ctx, link, site.mmsAssociations(p.Strict))
	if err != nil {
		return nil, t.explained(fmt.Errorf("associate with %s: %w", t.Address, err))
	}
	if p.Logger != nil {
		agreed := client.Parameters()
		p.Logger.Debug("associated over TCP", "ied", t.Address, "pdu", agreed.MaxPDU, "calls", agreed.Ours, "services", agreed.Services.String())
	}
	if t.TLS {
		go p.keep(client, link)
	}
	another := func(ctx context.Context) (*mmsmap.Client, error) {
		c, err := DialMMS(ctx, p, t)
		if err != nil {
			return nil, err
		}
		return c.Client, nil
	}
	return &Client{Client: client, MMS: link, another: another}, nil
}

// keep holds the IED to what is revoked, and the connection to its age, until the association ends.
func (p MMSParty) keep(client *mmsmap.Client, link *iso81.Association) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		<-client.Done()
		cancel()
	}()
	u := upkeep{log: cmp.Or(p.Logger, silent), events: p.Audit, lists: []refresher{p.Trust}, recheck: func() { link.Recheck() }, terms: p.Trust.Terms}
	if u.events == nil {
		u.events = audit.Discard
	}
	u.run(ctx)
}

// explained adds to an error of an association what can be done about it.
func (t MMSTarget) explained(err error) error {
	var certificate *pki.VerifyError
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return Hint(err, "nothing listens there: is the IED on, does it serve MMS, and is the port right? It is 102, and 3782 with TLS (mmss://)")
	case errors.As(err, &certificate) && certificate.Rule == pki.RuleName:
		return Hint(err, "if it is the right IED, give the name that its certificate has, behind the address, as ?tls-name=NAME")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed), errors.Is(err, syscall.ECONNRESET):
		if t.TLS {
			return Hint(err, "the IED closes the connection: its own log says why; it takes no more of them, or not this client's certificate, or the port is not for TLS (mms://)")
		}
		return Hint(err, "the IED closes the connection: it takes no more of them, or this port is for TLS (mmss://), or not for MMS")
	}
	return err
}

// refusedHint says what to do about an IED that refuses an association.
func refusedHint(e *iso81.RefusedError) string {
	switch e.Layer {
	case iso81.LayerCOTP, iso81.LayerSession, iso81.LayerPresentation:
		return "the IED may want other selectors: its SCL file has them under ConnectedAP/Address; give them behind the address as ?tsel=…&ssel=…&psel=…; or it takes no more connections"
	case iso81.LayerACSE:
		switch iso81.UserDiagnostic(e.Code) {
		case iso81.DiagnosticAuthenticationFailure, iso81.DiagnosticAuthenticationRequired, iso81.DiagnosticMechanismRequired, iso81.DiagnosticMechanismUnknown:
			return "the IED wants another proof of who asks: give a password with --password-file, or a certificate with mmss://; a Busbar IED says in its log what it takes (mms: in " + FileName + ")"
		case iso81.DiagnosticCalledAPTitle, iso81.DiagnosticCalledAEQualifier, iso81.DiagnosticCallingAPTitle, iso81.DiagnosticCallingAEQualifier:
			return "the IED may want other titles: its SCL file has them under ConnectedAP/Address; give them behind the address as ?ap-title=…&ae=…, or ?calling-ap-title=…"
		}
	}
	return "the IED's own log says why"
}
