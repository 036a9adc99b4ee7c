package site

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"busbar.example/scsm/iso81"
	"busbar.example/secure/pki"
	"busbar.example/secure/rbac"
)

// MMS says who may do what over IEC 61850-8-1, MMS over TCP, which has no roles of its own. Who is in no entry of Peers, and
// gets nothing as Anonymous, is refused.
type MMS struct {
	Anonymous []string  `yaml:"anonymous,omitempty"` // roles of everybody else
	Peers     []MMSPeer `yaml:"peers,omitempty"`     // the first that fits counts
	Roots     []string  `yaml:"roots,omitempty"`     // files with root certificates that are trusted beside that of E2M
}

// MMSPeer is a peer by what it shows of itself: all that is given must fit.
type MMSPeer struct {
	Name         string   `yaml:"name"`                    // as events call it
	Certificate  string   `yaml:"certificate,omitempty"`   // of TLS or of ACSE: SHA-256 fingerprint in hex, or a name in it: JID, host or common name
	PasswordFile string   `yaml:"password_file,omitempty"` // holds the password of ACSE; in the site folder, where it is no absolute path
	Address      string   `yaml:"address,omitempty"`       // address or network
	Roles        []string `yaml:"roles"`
	AOR          string   `yaml:"aor,omitempty"` // pattern of logical devices; default all
}

// mmsPeers is MMS, parsed.
type mmsPeers struct {
	anonymous []rbac.Grant
	peers     []mmsPeer
}

type mmsPeer struct {
	name        string
	certificate string
	fingerprint []byte
	password    []byte
	network     netip.Prefix
	grants      []rbac.Grant
}

// mmsHint says how an entry looks.
const mmsHint = "write for example {name: scada, certificate: scada@DOMAIN, roles: [OPERATOR]}; also password_file: FILE and address: 10.0.0.0/8"

// parseMMS reads who may do what over TCP, without the passwords.
func (s *Site) parseMMS(m MMS) (p mmsPeers, err error) {
	if p.anonymous, err = grantsOf(m.Anonymous, ""); err != nil {
		return p, fmt.Errorf("anonymous: %w", err)
	}
	names := make(map[string]bool)
	for _, in := range m.Peers {
		if in.Name == "" || names[in.Name] {
			return p, Hint(fmt.Errorf("peers: a peer without a name, or a second %q", in.Name), mmsHint)
		}
		names[in.Name] = true
		peer, err := parseMMSPeer(in)
		if err != nil {
			return p, fmt.Errorf("peers: %s: %w", in.Name, err)
		}
		p.peers = append(p.peers, peer)
	}
	return p, nil
}

func parseMMSPeer(in MMSPeer) (p mmsPeer, err error) {
	p.name, p.certificate = in.Name, in.Certificate
	if in.Certificate == "" && in.PasswordFile == "" && in.Address == "" {
		return p, Hint(errors.New("nothing says how to know it"), mmsHint)
	}
	if p.grants, err = grantsOf(in.Roles, in.AOR); err != nil {
		return p, err
	}
	if p.grants == nil {
		return p, Hint(errors.New("it has no role"), mmsHint)
	}
	digits := strings.ReplaceAll(strings.TrimPrefix(strings.ToLower(in.Certificate), "sha256:"), ":", "")
	if octets, err := hex.DecodeString(digits); err == nil && len(octets) == sha256.Size {
		p.fingerprint, p.certificate = octets, ""
	} else if strings.HasPrefix(strings.ToLower(in.Certificate), "sha256:") {
		return p, Hint(fmt.Errorf("%q is no SHA-256 fingerprint", in.Certificate), "it is 64 hexadecimal digits, as `openssl x509 -noout -fingerprint -sha256 -in FILE` prints them, and the log of an IED that refuses the peer")
	}
	if in.Address == "" {
		return p, nil
	}
	if p.network, err = netip.ParsePrefix(in.Address); err != nil {
		address, other := netip.ParseAddr(in.Address)
		if other != nil {
			return p, Hint(fmt.Errorf("%q is no address or network", in.Address), "write for example 10.0.0.5, or 10.0.0.0/8")
		}
		p.network = netip.PrefixFrom(address, address.BitLen())
	}
	return p, nil
}

// grantsOf reads roles.
func grantsOf(names []string, aor string) (grants []rbac.Grant, err error) {
	var policy *rbac.Policy // the default one
	for _, name := range names {
		role, err := rbac.ParseRole(name)
		if err != nil {
			return nil, Hint(err, "write a list of such names, for example [VIEWER]")
		}
		grants = append(grants, policy.NewGrant(role, aor))
	}
	return grants, nil
}

// mmsSubjects is who may do what over TCP, with the passwords.
func (s *Site) mmsSubjects() (*mmsPeers, error) {
	p := s.mms
	p.peers = slices.Clone(p.peers)
	for i, in := range s.Config.MMS.Peers {
		if in.PasswordFile == "" {
			continue
		}
		password, err := readPassword(s.files([]string{in.PasswordFile})[0])
		if err != nil {
			return nil, fmt.Errorf("%s: mms: peers: %s: %w", FileName, in.Name, err)
		}
		p.peers[i].password = []byte(password)
	}
	return &p, nil
}

// TakesMMS reports whether anybody has a role over TCP.
func (s *Site) TakesMMS() bool { return s.mms.anonymous != nil || len(s.mms.peers) > 0 }

// subject says who a peer is, or refuses it. A password that is nobody's is refused, whatever else fits.
func (p *mmsPeers) subject(c iso81.Credentials) (rbac.Subject, error) {
	for i := range p.peers {
		if peer := &p.peers[i]; peer.fits(c) {
			return rbac.Subject{Name: peer.name, Grants: peer.grants, Unauthenticated: peer.certificate == "" && peer.fingerprint == nil}, nil
		}
	}
	why, diagnostic := "busbar.yaml has no peer like this", iso81.DiagnosticAuthenticationRequired
	switch {
	case c.Password != nil:
		why, diagnostic = "its password is that of no peer that it could be", iso81.DiagnosticAuthenticationFailure
	case p.anonymous != nil:
		return rbac.Subject{Name: cmp.Or(certificateName(c), "anonymous"), Grants: p.anonymous, Unauthenticated: certificateName(c) == ""}, nil
	}
	if name := certificateName(c); name != "" {
		why += fmt.Sprintf(": certificate %s, sha256:%x", name, fingerprint(certificateOf(c)))
	}
	return rbac.Subject{}, iso81.Refuse(diagnostic, Hint(errors.New(why), "roles for it are given under mms in "+FileName+": peers for some, anonymous for everybody"))
}

// fits reports whether c has all that the entry wants.
func (p *mmsPeer) fits(c iso81.Credentials) bool {
	if p.network.IsValid() {
		from, err := netip.ParseAddrPort(c.RemoteAddr)
		if err != nil || !p.network.Contains(from.Addr().Unmap()) {
			return false
		}
	}
	if p.certificate != "" || p.fingerprint != nil {
		if !slices.ContainsFunc([]*pki.Verified{c.TLS, c.Certificate}, p.isCertificate) {
			return false
		}
	}
	if p.password == nil {
		return c.Password == nil // what is shown must be wanted
	}
	return subtle.ConstantTimeCompare(p.password, c.Password) == 1
}

func (p *mmsPeer) isCertificate(v *pki.Verified) bool {
	switch {
	case v == nil:
		return false
	case p.fingerprint != nil:
		return bytes.Equal(p.fingerprint, fingerprint(v.Leaf()))
	}
	leaf := v.Leaf()
	return slices.Contains(v.XMPPAddrs(), p.certificate) || slices.Contains(leaf.DNSNames, p.certificate) || leaf.Subject.CommonName == p.certificate
}

func fingerprint(c *x509.Certificate) []byte {
	sum := sha256.Sum256(c.Raw)
	return sum[:]
}

// certificateOf is the certificate that names the peer, nil where there is none.
func certificateOf(c iso81.Credentials) *x509.Certificate {
	for _, v := range []*pki.Verified{c.Certificate, c.TLS} {
		if v != nil {
			return v.Leaf()
		}
	}
	return nil
}

func certificateName(c iso81.Credentials) string {
	if leaf := certificateOf(c); leaf != nil {
		return pki.Name(leaf)
	}
	return ""
}
