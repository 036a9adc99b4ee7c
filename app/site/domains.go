package site

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"busbar.example/secure/e2e"
	"busbar.example/secure/pki"
	"busbar.example/secure/rbac"
	"busbar.example/xmpp/jid"
)

// Domain says how another domain is reached, who vouches for its broker and its parties, and what these may do here.
type Domain struct {
	Connect []string   `yaml:"connect,omitempty"` // HOST:PORT of its broker for other servers; default: as its SRV record says
	E2M     Anchors    `yaml:"e2m,omitempty"`     // of its broker
	E2E     EndAnchors `yaml:"e2e,omitempty"`     // of its parties
}

// EndAnchors are Anchors of end-to-end security.
type EndAnchors struct {
	Anchors `yaml:",inline"`
	Roles   []string `yaml:"roles,omitempty"` // that certificates of the domain may bring here; default: none
}

// neighbour is Domain, parsed.
type neighbour struct {
	Domain
	roles []rbac.Role
}

// domainHint says how an entry looks.
const domainHint = "write for example utility.example: {e2m: {roots: [FILE]}, e2e: {roots: [FILE], roles: [OPERATOR]}}"

// parseDomains reads what is said of other domains. The files are read by who needs them.
func (s *Site) parseDomains(domains map[string]Domain) (map[string]neighbour, error) {
	parsed := make(map[string]neighbour, len(domains))
	for _, text := range slices.Sorted(maps.Keys(domains)) {
		name, err := jid.New("", text, "")
		if err != nil {
			return nil, Hint(fmt.Errorf("%q: %w", text, err), domainHint)
		}
		d := neighbour{Domain: domains[text]}
		if _, twice := parsed[name.Domain()]; twice || name.Domain() == s.Domain {
			return nil, Hint(fmt.Errorf("%s: is there already, or is the site's own", text), "say of each other domain what there is to say in one place")
		}
		for _, a := range d.Connect {
			if err := CheckAddress(text+": connect", strings.TrimPrefix(a, "tls://")); err != nil {
				return nil, err
			}
		}
		for name, a := range map[string]Anchors{"e2m": d.E2M, "e2e": d.E2E.Anchors} {
			if err := a.check(); err != nil {
				return nil, fmt.Errorf("%s: %s: %w", text, name, err)
			}
		}
		for _, role := range d.E2E.Roles {
			r, err := rbac.ParseRole(role)
			if err != nil {
				return nil, Hint(fmt.Errorf("%s: e2e: %w", text, err), "write a list of such names, for example [VIEWER]")
			}
			d.roles = append(d.roles, r)
		}
		parsed[name.Domain()] = d
	}
	return parsed, nil
}

// Peer reads the JID of one who is talked to, as Account does, but it may be of one of the other domains too.
func (s *Site) Peer(text string) (jid.JID, error) {
	j, err := jid.Parse(text)
	if err != nil || j.Local() == "" || s.Config.Domains == nil {
		return s.Account(text)
	}
	if _, other := s.domains[j.Domain()]; other {
		return j, nil
	}
	if j.Domain() != s.Domain {
		return jid.JID{}, Hint(fmt.Errorf("%v is of no domain that this site knows", j),
			fmt.Sprintf("it knows %s and %s; others are said under domains in %s", s.Domain, strings.Join(slices.Sorted(maps.Keys(s.domains)), ", "), FileName))
	}
	return j, nil
}

// domainTrust is who vouches for another domain: for its broker (E2M), or for its parties (E2E). It is nil where nobody does.
func (s *Site) domainTrust(domain string, h pki.Hierarchy) (*pki.Trust, error) {
	d := s.domains[domain]
	anchors := d.E2M
	if h == pki.E2E {
		anchors = d.E2E.Anchors
	}
	if anchors.none() {
		return nil, nil
	}
	trust, err := pki.OpenTrust(s.sources(anchors))
	if err != nil {
		return nil, Hint(fmt.Errorf("%s: domains: %s: %s trust: %w", FileName, domain, h, err), "name files with certificates and revocation lists in PEM form, as the other domain's operator has sent them")
	}
	return trust, nil
}

// files are names of files in the site folder, where they are no absolute paths.
func (s *Site) files(names []string) []string {
	paths := make([]string, len(names))
	for i, name := range names {
		if paths[i] = name; !filepath.IsAbs(name) {
			paths[i] = s.Path(name)
		}
	}
	return paths
}

// endTrust is who vouches for the parties at the other end: the site's own authority, and those of the other domains, each for
// its own.
type endTrust struct {
	own     *pki.Trust
	domains map[string]e2e.Domain
}

// endTrust reads the anchors and revocation lists of end-to-end security.
func (s *Site) endTrust() (*endTrust, error) {
	own, err := s.trust(pki.E2E)
	if err != nil {
		return nil, err
	}
	t := &endTrust{own, make(map[string]e2e.Domain, len(s.domains))}
	for name, d := range s.domains {
		trust, err := s.domainTrust(name, pki.E2E)
		if err != nil {
			return nil, err
		}
		t.domains[name] = e2e.Domain{Trust: trust, Roles: d.roles}
	}
	return t, nil
}
