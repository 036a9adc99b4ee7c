package testbed

import (
	"testing"
)

// Mode is the carrier, and how it is secured.
type Mode uint8

// The modes. The first three are of IEC 61850-8-2, named by how associations are secured end to end; TCP and TLS are of
// IEC 61850-8-1. With Encrypted and Clear roles are the certificate's word; with Off, and over TCP, they are the configuration's: with
// Off by account, with TCP by password, with TLS by the name in the certificate.
const (
	Encrypted Mode = iota
	Clear
	Off
	TCP
	TLS
)

// Modes is all of them, Modes82 those of IEC 61850-8-2.
var (
	Modes   = []Mode{Encrypted, Clear, Off, TCP, TLS}
	Modes82 = []Mode{Encrypted, Clear, Off}
)

// String names the mode; those of IEC 61850-8-2 as errors do.
func (m Mode) String() string { return [...]string{"encrypted", "clear", "off", "tcp", "tls"}[m] }

// OverTCP reports whether the mode is of IEC 61850-8-1.
func (m Mode) OverTCP() bool { return m == TCP || m == TLS }

// EachMode runs an end-to-end test in every mode, over memory and over loopback. A test that is about XMPP takes EachMode82.
func EachMode(t *testing.T, test func(t *testing.T, o Options)) { each(t, Modes, test) }

// EachMode82 runs a test that is about XMPP, or about security end to end, in the modes of IEC 61850-8-2.
func EachMode82(t *testing.T, test func(t *testing.T, o Options)) { each(t, Modes82, test) }

// InMemory runs an end-to-end test in every mode, over memory alone: for tests that take long.
func InMemory(t *testing.T, test func(t *testing.T, o Options)) {
	for _, m := range Modes {
		t.Run(m.String(), func(t *testing.T) { test(t, Options{Mode: m, Listener: NewListener()}) })
	}
}

func each(t *testing.T, modes []Mode, test func(t *testing.T, o Options)) {
	for _, m := range modes {
		t.Run(m.String()+"/memory", func(t *testing.T) { test(t, Options{Mode: m, Listener: NewListener()}) })
		t.Run(m.String()+"/loopback", func(t *testing.T) { test(t, Options{Mode: m}) })
	}
}
