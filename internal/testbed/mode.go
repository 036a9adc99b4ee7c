package testbed

import (
	"testing"

	"busbar.example/secure/rbac"
	"busbar.example/xmpp/jid"
)

// Mode is how associations are secured end to end.
type Mode uint8

// The modes. With Off, the roles that Config is given are the configuration's word instead of a certificate's.
const (
	Encrypted Mode = iota
	Clear
	Off
)

// Modes is all of them.
var Modes = []Mode{Encrypted, Clear, Off}

// String names the mode as errors do.
func (m Mode) String() string { return [...]string{"encrypted", "clear", "off"}[m] }

// subject gives an account the roles that Config gave it.
func (b *Bed) subject(peer jid.JID) rbac.Subject {
	b.mu.Lock()
	defer b.mu.Unlock()
	return rbac.Subject{Grants: b.roles[peer.Bare()]}
}

// EachMode runs an end-to-end test in every mode, over memory and over loopback.
func EachMode(t *testing.T, test func(t *testing.T, o Options)) {
	for _, m := range Modes {
		t.Run(m.String()+"/memory", func(t *testing.T) { test(t, Options{Mode: m, Listener: NewListener()}) })
		t.Run(m.String()+"/loopback", func(t *testing.T) { test(t, Options{Mode: m}) })
	}
}
