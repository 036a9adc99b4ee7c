package e2e

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"busbar.example/secure/audit"
	"busbar.example/secure/pki"
	"busbar.example/secure/rbac"
)

// Bounds of time.
//
// IEC 62351-4, 13.3.1.4 and 14.3.4.
const (
	maxSkew         = 10 * time.Minute // between a token's time and ours
	maxAssociation  = 24 * time.Hour
	defaultKeyLife  = time.Hour
	minKeyLife      = 15 * time.Minute
	maxKeyLife      = 24 * time.Hour
	releaseLife     = 10 * time.Second // a ReleaseReq is answered within this
	maxRekeys       = int(maxAssociation/minKeyLife) + 32
	defaultProtocol = "IEC 61850-8-2"
)

// Bounds of size, in octets.
const (
	maxHandshakeSize = 128 << 10
	maxTransferSize  = 1 << 20
)

// A Config says who we are and whom we trust. It is copied, and what it points to must not be
// changed afterwards.
type Config struct {
	// Identity is our key, ECDSA on P-256 or RSA of 2,048 bits or more, and its end-to-end
	// certificate. Required.
	Identity *pki.Identity
	// Trust verifies the certificates of peers. It holds the end-to-end roots, never those of the
	// transport. nil trusts nobody.
	Trust *pki.Trust
	// Domains are those whose parties another verifies than Trust, by the domainpart of their JIDs. Whose
	// domain is there is verified by its Trust alone, and that one is asked about nobody else.
	Domains map[string]Domain
	// Mode says how data is protected. A peer of another mode is refused.
	Mode Mode
	// Algorithms are those that may protect data, all of the Mode, the preferred one first. A client
	// offers those that are of the same kind as the first; a server takes the first that is offered.
	// nil is AES256GCM and AES128GCM, or in clear HMACSHA256, AES256GMAC and AES128GMAC.
	Algorithms []Algorithm
	// Groups are those of the key agreement, the preferred one first. A client proposes that, a
	// server takes what is proposed if it is among them. nil is GroupP256 alone.
	Groups []Group
	// Protocol names the protected protocol; "" is "IEC 61850-8-2".
	Protocol string
	// Audit is told of every refusal, and when associations begin and end. nil discards.
	Audit audit.Sink
	// Replay remembers the signed PDUs that were accepted. What shares an Identity should share a
	// cache; nil is a cache of its own.
	Replay *ReplayCache
	// KeyLife is how long the keys of a direction serve, 15 min to 24 h; 0 is one hour.
	KeyLife time.Duration
}

// A Domain says how the parties of another domain are verified, and what their certificates are worth.
type Domain struct {
	Trust *pki.Trust // nil trusts nobody
	// Roles are those that its certificates may bring here: who issues them there does not decide on
	// what they may do. Any other counts as if it were not in the certificate; nil: none counts.
	Roles []rbac.Role
}

// An endpoint is a Config whose defaults are filled in.
type endpoint struct {
	Config
	sigAlg     AlgorithmIdentifier // of our signatures
	sigAlgName string
}

func newEndpoint(cfg Config) (*endpoint, error) {
	if cfg.Identity == nil || len(cfg.Identity.Chain) == 0 || cfg.Identity.Key == nil {
		return nil, errors.New("end-to-end security needs an identity: a key and its certificate")
	}
	sigAlg, name, ok := sigAlgOf(cfg.Identity.Key.Public())
	if !ok {
		return nil, fmt.Errorf("end-to-end security needs an ECDSA key on P-256, or RSA of %d bits, the certificate's is %s",
			minRSA, cfg.Identity.Chain[0].PublicKeyAlgorithm)
	}
	if err := cfg.chooseCryptography(); err != nil {
		return nil, err
	}
	if cfg.KeyLife == 0 {
		cfg.KeyLife = defaultKeyLife
	}
	if cfg.KeyLife < minKeyLife || cfg.KeyLife > maxKeyLife {
		return nil, fmt.Errorf("the key life is %v, it must be %v to %v", cfg.KeyLife, minKeyLife, maxKeyLife)
	}
	if cfg.Protocol == "" {
		cfg.Protocol = defaultProtocol
	}
	if cfg.Audit == nil {
		cfg.Audit = audit.Discard
	}
	if cfg.Replay == nil {
		cfg.Replay = new(ReplayCache)
	}
	return &endpoint{Config: cfg, sigAlg: sigAlg, sigAlgName: name}, nil
}

// chooseCryptography checks Mode, Algorithms and Groups, and fills in their defaults.
func (c *Config) chooseCryptography() error {
	if c.Mode != Encrypted && c.Mode != Clear {
		return fmt.Errorf("%d is no mode of end-to-end security", c.Mode)
	}
	c.Algorithms, c.Groups = slices.Clone(c.Algorithms), slices.Clone(c.Groups)
	if len(c.Algorithms) == 0 {
		c.Algorithms = c.Mode.defaults()
	}
	if err := checkAlgorithms(c.Mode, c.Algorithms); err != nil {
		return err
	}
	if len(c.Groups) == 0 {
		c.Groups = []Group{GroupP256}
	}
	for _, g := range c.Groups {
		if !g.known() {
			return fmt.Errorf("%v is no group that there is for the key agreement", g)
		}
	}
	return nil
}

// record reports an event about whoever speaks from that address.
func (e *endpoint) record(now time.Time, id audit.ID, address, text string) {
	e.Audit.Record(audit.Event{ID: id, Time: now, Peer: address, Subject: bareJID(address), Text: text})
}

// recordPeer reports an event about a peer that was verified.
func (e *endpoint) recordPeer(now time.Time, id audit.ID, p verifiedPeer, text string) {
	s := p.subject()
	e.Audit.Record(audit.Event{ID: id, Time: now, Peer: s.Address, Subject: s.Name, Roles: s.Grants, Text: text})
}

// recordFault reports a failed check, and first what the certificate itself was refused for.
func (e *endpoint) recordFault(now time.Time, address string, f *fault) {
	var refused *pki.VerifyError
	if errors.As(f.err, &refused) && refused.ID != f.event {
		e.record(now, refused.ID, address, refused.Error())
	}
	text := f.text
	if f.err != nil {
		text += ": " + f.err.Error()
	}
	e.record(now, f.event, address, text)
}
