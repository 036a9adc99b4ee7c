package site

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"busbar.example/scsm/xmpp82"
	"busbar.example/secure/e2e"
	"busbar.example/secure/rbac"
	"busbar.example/xmpp/jid"
)

// Mode says how data is protected between client and IED. Both ends must have the same.
type Mode string

// The modes, as users write them.
const (
	Encrypted Mode = "encr"  // nobody on the way reads or alters it
	Clear     Mode = "clear" // everybody on the way reads it, nobody alters it
	Off       Mode = "off"   // everybody on the way reads and alters it
)

// E2E says how the associations of a party are protected end to end. What it leaves out is as busbar.yaml says;
// else they are encrypted, by the algorithms that secure/e2e prefers.
type E2E struct {
	Mode       Mode
	Algorithms []e2e.Algorithm // of the mode, preferred first
}

// ParseE2E reads a mode, or "", and names of algorithms.
func ParseE2E(mode string, algorithms []string) (E2E, error) {
	p := E2E{Mode: Mode(mode)}
	if mode != "" && !slices.Contains([]Mode{Encrypted, Clear, Off}, p.Mode) {
		return E2E{}, Hint(fmt.Errorf("%q is no mode of end-to-end security", mode), "it is encr, clear or off")
	}
	for _, name := range algorithms {
		a, err := e2e.ParseAlgorithm(name)
		if err != nil {
			return E2E{}, Hint(fmt.Errorf("%q is no algorithm of end-to-end security", name),
				"with encr: "+algorithmNames(e2e.Encrypted)+"; with clear: "+algorithmNames(e2e.Clear))
		}
		if slices.Contains(p.Algorithms, a) {
			return E2E{}, Hint(fmt.Errorf("the algorithm %s is named twice", name), "name each once, the preferred one first")
		}
		p.Algorithms = append(p.Algorithms, a)
	}
	return p, nil
}

func algorithmNames(m e2e.Mode) string {
	var names []string
	for _, a := range m.Algorithms() {
		names = append(names, a.String())
	}
	return strings.Join(names, ", ")
}

// algorithmMode is what secure/e2e calls a mode that it has.
func algorithmMode(m Mode) e2e.Mode {
	if m == Clear {
		return e2e.Clear
	}
	return e2e.Encrypted
}

// E2E adds to given what the site says: the mode; and the algorithms that are of the mode, where given has none. Those
// in given must be of the mode.
func (s *Site) E2E(given E2E) (E2E, error) {
	p := given
	if p.Mode == "" {
		p.Mode = s.e2e.Mode
	}
	if p.Mode == "" {
		p.Mode = Encrypted
	}
	if len(given.Algorithms) > 0 && p.Mode == Off {
		return E2E{}, Hint(errors.New("end-to-end security that is off has no algorithms"), "leave the algorithms out, or choose another mode")
	}
	mode := algorithmMode(p.Mode)
	for _, a := range given.Algorithms {
		if a.Mode() != mode {
			return E2E{}, Hint(fmt.Errorf("the algorithm %s is not one of the mode %s", a, p.Mode), "choose from "+algorithmNames(mode))
		}
	}
	if given.Algorithms == nil {
		for _, a := range s.e2e.Algorithms {
			if a.Mode() == mode {
				p.Algorithms = append(p.Algorithms, a)
			}
		}
	}
	return p, nil
}

// protection puts into cfg how the associations of p are protected: trust verifies its peers.
func (s *Site) protection(cfg *xmpp82.Config, p Party, trust *endTrust) error {
	how, err := s.E2E(p.E2E)
	if err != nil {
		return err
	}
	if how.Mode == Off {
		cfg.Unprotected = &xmpp82.Unprotected{Subject: s.unprotectedSubject}
		return nil
	}
	end, err := s.identity(p.JID, "e2e")
	if err != nil {
		return err
	}
	if err := checkOwn(p, "E2E", end, trust.own.VerifyE2E); err != nil {
		return err
	}
	cfg.E2E = e2e.Config{Identity: end, Trust: trust.own, Domains: trust.domains, Audit: p.Audit, Mode: algorithmMode(how.Mode), Algorithms: how.Algorithms, Replay: p.replay}
	return nil
}

// unprotectedSubject has the roles that busbar.yaml gives a peer where end-to-end security is off: that it is this peer
// is the word of the broker.
func (s *Site) unprotectedSubject(peer jid.JID) rbac.Subject {
	return rbac.Subject{Grants: s.unprotected[peer.Bare()]}
}

// UnprotectedPeers counts the accounts that have a role where end-to-end security is off.
func (s *Site) UnprotectedPeers() int { return len(s.unprotected) }

// parseUnprotected reads the roles that busbar.yaml gives.
func (s *Site) parseUnprotected(roles map[string][]string) (map[jid.JID][]rbac.Grant, error) {
	var policy *rbac.Policy // the default one
	grants := make(map[jid.JID][]rbac.Grant)
	for text, names := range roles {
		j, err := s.Account(text)
		if err != nil {
			return nil, err
		}
		if j = j.Bare(); grants[j] != nil {
			return nil, Hint(fmt.Errorf("%v is there twice", j), "list all roles of an account in one place")
		}
		if len(names) == 0 {
			return nil, Hint(fmt.Errorf("%v has no role", j), "write for example "+text+": [VIEWER], or leave it out")
		}
		for _, name := range names {
			role, err := rbac.ParseRole(name)
			if err != nil {
				return nil, Hint(fmt.Errorf("%v: %w", j, err), "write under each account a list of such names, for example "+text+": [VIEWER]")
			}
			grants[j] = append(grants[j], policy.NewGrant(role, ""))
		}
	}
	return grants, nil
}
