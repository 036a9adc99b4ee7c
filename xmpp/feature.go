package xmpp

import (
	"strconv"
	"time"

	"busbar.example/internal/xmltok"
)

// A feature is one stream feature as a value. Both ends negotiate from the same
// list; each uses its half of the functions.
//
// RFC 6120, Section 4.3.
type feature struct {
	name   xmltok.Name // of the child of the features element
	during NegotiationStep
	// wanted says whether the feature has its place at this point of the
	// stream: there it is announced by one end and asked for by the other.
	wanted func(m *machine) bool

	// The receiving entity's half.
	announce func(m *machine, dst []byte) []byte
	starts   func(el *element) bool                      // el asks for the feature
	serve    func(m *machine, el *element) (step, error) // takes it, and what follows
	// The initiating entity's half.
	begin  func(m *machine, offer *element) (step, error) // offer is nil where it is not announced
	answer func(m *machine, el *element) (step, error)    // takes what follows
}

// streamLimits tells the initiating entity how large its stanzas may be, and how long it
// may be silent. There is nothing to negotiate.
//
// XEP-0478.
var streamLimits = feature{
	name:   xmltok.Name{Space: nsLimits, Local: "limits"},
	wanted: func(*machine) bool { return true },
	announce: func(m *machine, dst []byte) []byte {
		size := m.limits.Unauthenticated
		if !m.id.IsZero() {
			size = m.limits.Authenticated
		}
		dst = append(dst, "<limits xmlns='"+nsLimits+"'><max-bytes>"...)
		dst = strconv.AppendInt(dst, int64(size), 10)
		dst = append(dst, "</max-bytes>"...)
		if seconds := int64(m.patience / time.Second); seconds > 0 {
			dst = append(dst, "<idle-seconds>"...)
			dst = strconv.AppendInt(dst, seconds, 10)
			dst = append(dst, "</idle-seconds>"...)
		}
		return append(dst, "</limits>"...)
	},
	starts: func(*element) bool { return false },
	begin: func(m *machine, offer *element) (step, error) {
		if offer == nil {
			return step{}, nil
		}
		if size := offer.child(nsLimits, "max-bytes"); size != nil {
			// What is no number says nothing.
			if n, err := strconv.ParseUint(size.text, 10, 31); err == nil {
				m.maxStanza = int(n)
			}
		}
		if idle := offer.child(nsLimits, "idle-seconds"); idle != nil {
			if n, err := strconv.ParseUint(idle.text, 10, 31); err == nil {
				m.maxSilence = time.Duration(n) * time.Second
			}
		}
		return step{}, nil
	},
}
