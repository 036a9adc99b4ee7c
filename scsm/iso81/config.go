package iso81

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"time"

	"busbar.example/internal/asn1"
	"busbar.example/secure/audit"
	"busbar.example/secure/pki"
	"busbar.example/secure/rbac"
)

// The ports of IEC 61850-8-1 and of IEC 62351-3.
const (
	Port    = 102
	TLSPort = 3782
)

// Config says how an association over TCP is made. The zero Config is for plain TCP. It is copied on entry.
type Config struct {
	TLS *TLS // nil: plain TCP

	// Called and Calling are the addresses of the peer and our own. A zero Address is what every IED takes: T-selector 0001,
	// S-selector 0001, P-selector 00000001, AP titles 1.1.1.999.1 (called) and 1.1.1.999 (calling), AE qualifiers 12.
	Called, Calling Address

	Auth *Auth // what the client proves itself with in ACSE; nil: nothing

	MaxTPDU int // octets of a TPDU that we propose or agree to; default 8192, 128 to 65531
	MaxPDU  int // octets of an MMS PDU that we take; default 65000, at most 16 MiB

	// Strict takes nothing that the standards do not allow. Where it is false, what the fields of lenient.go name is taken.
	Strict bool

	Timeout      time.Duration // to make an association, from TCP to MMS; default 10 s
	WriteTimeout time.Duration // for a peer that does not read; default 10 s
	KeepAlive    time.Duration // of TCP; default 10 s, 1 to 20 s; negative: none

	// Dialer connects; nil: TCP, with KeepAlive.
	Dialer func(ctx context.Context, network, address string) (net.Conn, error)

	Audit  audit.Sink   // nil: events are dropped
	Logger *slog.Logger // nil: silent
	Trace  *Trace       // nil: nobody is told
}

// Address is where an application entity is reached, above TCP. What is nil or empty is left out, but see Config.
type Address struct {
	PSelector, SSelector, TSelector []byte // at most 32 octets each
	APTitle                         string // dotted decimal
	AEQualifier                     *int64
}

func (a Address) isZero() bool {
	return a.PSelector == nil && a.SSelector == nil && a.TSelector == nil && a.APTitle == "" && a.AEQualifier == nil
}

// TLS is how TLS is done. Identity and Trust are needed.
//
// IEC 62351-3.
type TLS struct {
	Identity *pki.Identity
	Trust    *pki.Trust
	// ServerName is whom the server's certificate must name: a dNSName or iPAddress, or a common name where the certificate has
	// neither. Empty: the host that is dialled. Servers ignore it.
	ServerName string
	// MaxAge is how old a connection may get before Recheck ends it, so that both ends show their certificates again to a
	// new one; up to a tenth earlier, not to meet all others that began with it. Default 12 h; at most 24 h; negative: no bound.
	MaxAge time.Duration
}

const (
	defaultMaxAge = 12 * time.Hour
	longestMaxAge = 24 * time.Hour
)

// ends is when a connection that begins at now has reached its age; zero: never.
func (t *TLS) ends(now time.Time) time.Time {
	age := t.MaxAge
	switch {
	case age < 0:
		return time.Time{}
	case age == 0:
		age = defaultMaxAge
	case age > longestMaxAge:
		age = longestMaxAge
	}
	return now.Add(age - rand.N(age/10+1))
}

// Auth is what a client proves itself with in ACSE: one of both.
type Auth struct {
	Password []byte        // charstring, in clear: use it with TLS
	Identity *pki.Identity // of IEC 62351-4, compatibility mode
}

// ServerConfig says how associations are accepted. Of Config, Called is our own address, if it is not zero: who calls another is
// refused. Calling and Auth count for nothing. It is copied on entry.
type ServerConfig struct {
	Config

	// Subject says who a peer is and which roles it has, before it is answered; an error refuses it: what Refuse makes
	// tells the peer why, others say authentication failure. It reports what it decides to audit. nil: everybody is taken, by network address
	// or the name in the certificate, without roles.
	Subject func(Credentials) (rbac.Subject, error)

	// AuthTrust verifies certificates that come in ACSE. nil: they are not taken.
	AuthTrust *pki.Trust

	// Connections is how many connections may stand at once; default 1,000. Others are refused by a disconnect request.
	Connections int
}

// Credentials is what a peer has shown of itself.
type Credentials struct {
	RemoteAddr  string        // host and port
	TLS         *pki.Verified // nil: plain TCP
	Password    []byte        // nil: none was given
	Certificate *pki.Verified // of ACSE; nil: none was given
	APTitle     string        // the peer's, dotted decimal or a distinguished name; empty: not given
	AEQualifier string        // empty: not given
}

const (
	defaultTPDU         = 8192
	defaultPDU          = 65000
	mostPDU             = 16 << 20
	defaultTimeout      = 10 * time.Second
	defaultWriteTimeout = 10 * time.Second
	defaultKeepAlive    = 10 * time.Second
	defaultConnections  = 1000

	overhead = 64 // octets that presentation and session put before a PDU, at most
)

var (
	qualifier12    = int64(12)
	defaultCalled  = Address{PSelector: []byte{0, 0, 0, 1}, SSelector: []byte{0, 1}, TSelector: []byte{0, 1}, APTitle: "1.1.1.999.1", AEQualifier: &qualifier12}
	defaultCalling = Address{PSelector: []byte{0, 0, 0, 1}, SSelector: []byte{0, 1}, TSelector: []byte{0, 1}, APTitle: "1.1.1.999", AEQualifier: &qualifier12}
)

func (c Config) withDefaults() (*Config, error) {
	for _, f := range []struct {
		name          string
		v             *int
		preset, least int
		most          int
	}{
		{"MaxTPDU", &c.MaxTPDU, defaultTPDU, leastTPDU, mostTPDU},
		{"MaxPDU", &c.MaxPDU, defaultPDU, 1, mostPDU},
	} {
		if *f.v == 0 {
			*f.v = f.preset
		}
		if *f.v < f.least || *f.v > f.most {
			return nil, fmt.Errorf("association over TCP: %s is %d, outside %d to %d", f.name, *f.v, f.least, f.most)
		}
	}
	for _, f := range []struct {
		v      *time.Duration
		preset time.Duration
	}{{&c.Timeout, defaultTimeout}, {&c.WriteTimeout, defaultWriteTimeout}, {&c.KeepAlive, defaultKeepAlive}} {
		if *f.v == 0 {
			*f.v = f.preset
		}
	}
	if c.KeepAlive > 0 && (c.KeepAlive < time.Second || c.KeepAlive > 20*time.Second) {
		return nil, fmt.Errorf("association over TCP: KeepAlive is %v, outside 1s to 20s", c.KeepAlive)
	}
	if err := c.checkNames(); err != nil {
		return nil, err
	}
	if c.Audit == nil {
		c.Audit = audit.Discard
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Trace == nil {
		c.Trace = new(Trace)
	}
	return &c, nil
}

func (c Config) checkNames() error {
	for _, a := range []Address{c.Called, c.Calling} {
		for _, s := range [][]byte{a.PSelector, a.SSelector, a.TSelector} {
			if len(s) > mostSelector {
				return fmt.Errorf("association over TCP: a selector of %d octets, at most %d are allowed", len(s), mostSelector)
			}
		}
		if a.APTitle != "" && !asn1.ValidOID(a.APTitle) {
			return fmt.Errorf("association over TCP: the AP title %q is no object identifier", a.APTitle)
		}
	}
	if c.TLS != nil && (c.TLS.Identity == nil || c.TLS.Trust == nil) {
		return fmt.Errorf("association over TCP: TLS needs an identity and trust anchors")
	}
	if c.Auth != nil && (c.Auth.Password == nil) == (c.Auth.Identity == nil) {
		return fmt.Errorf("association over TCP: authentication is by password or by certificate")
	}
	return nil
}
