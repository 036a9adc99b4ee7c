// Package jid implements XMPP addresses: parsing, preparation and comparison of localpart@domainpart/resourcepart.
//
// RFC 7622.
package jid

import (
	"fmt"
	"strings"
)

// maxPart is the greatest length of one part in octets, after preparation.
const maxPart = 1023

// maxInput bounds what Parse looks at: three parts that lose up to two thirds of their octets in preparation.
const maxInput = 3 * (3*maxPart + 2)

// JID is a valid, prepared XMPP address. The zero value is no address.
//
// Two JIDs are the same address if and only if they are equal by ==; a JID may be a map key. It is immutable.
type JID struct {
	text   string // the whole address
	local  uint16 // octets of the localpart, 0 if there is none
	domain uint16 // index in text of the end of the domainpart
}

// Part names one of the three parts of an address.
type Part uint8

// The parts of an address.
const (
	LocalPart Part = iota + 1
	DomainPart
	ResourcePart
)

func (p Part) String() string {
	switch p {
	case LocalPart:
		return "localpart"
	case DomainPart:
		return "domainpart"
	case ResourcePart:
		return "resourcepart"
	}
	return fmt.Sprintf("Part(%d)", uint8(p))
}

// SyntaxError says which part of an address is wrong, and why.
type SyntaxError struct {
	Part   Part
	Offset int // of the part's first octet in what was parsed
	Msg    string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("jid: %s at octet %d: %s", e.Part, e.Offset, e.Msg)
}

// Parse reads an address in its textual form and prepares it: case, width and normal form are mapped, a trailing dot of
// the domain is dropped. It allocates nothing when s is prepared ASCII already; the JID then refers to s. An error is a
// [*SyntaxError].
//
// RFC 7622, Section 3.
func Parse(s string) (JID, error) {
	if len(s) > maxInput {
		return JID{}, &SyntaxError{DomainPart, 0, "the address is too long"}
	}
	rest, resource, hasResource := strings.Cut(s, "/")
	at := strings.IndexByte(rest, '@')
	local, domain := "", rest
	if at >= 0 {
		local, domain = rest[:at], rest[at+1:]
	}

	var err error
	prepared := local
	if at >= 0 {
		if prepared, err = prepareLocal(local); err != nil {
			return JID{}, shift(err, 0)
		}
	}
	preparedDomain, err := prepareDomain(domain)
	if err != nil {
		return JID{}, shift(err, at+1)
	}
	preparedResource := ""
	if hasResource {
		if preparedResource, err = prepareResource(resource); err != nil {
			return JID{}, shift(err, len(rest)+1)
		}
	}
	if prepared == local && preparedDomain == domain && preparedResource == resource {
		return JID{s, uint16(len(local)), uint16(len(rest))}, nil
	}
	return join(prepared, preparedDomain, preparedResource), nil
}

// MustParse is Parse for addresses that are known to be valid; it panics on any other.
func MustParse(s string) JID {
	j, err := Parse(s)
	if err != nil {
		panic(err)
	}
	return j
}

// New makes an address of its parts; an empty localpart or resourcepart is absent. An error is a [*SyntaxError] whose
// offset is 0.
func New(local, domain, resource string) (JID, error) {
	var err error
	if local != "" {
		if local, err = prepareLocal(local); err != nil {
			return JID{}, err
		}
	}
	if domain, err = prepareDomain(domain); err != nil {
		return JID{}, err
	}
	if resource != "" {
		if resource, err = prepareResource(resource); err != nil {
			return JID{}, err
		}
	}
	return join(local, domain, resource), nil
}

// Local returns the localpart, or "".
func (j JID) Local() string { return j.text[:j.local] }

// Domain returns the domainpart: U-labels in lower case, or an IP address.
func (j JID) Domain() string { return j.text[j.domainStart():j.domain] }

// ASCIIDomain returns the domainpart with A-labels in place of U-labels, as the DNS and certificates have it.
func (j JID) ASCIIDomain() string {
	d := j.Domain()
	if d == "" || d[0] == '[' || domainIsPrepared(d) {
		return d
	}
	d, _ = hostNames.ToASCII(d) // it could be done when j was made
	return d
}

// Resource returns the resourcepart, or "".
func (j JID) Resource() string {
	if !j.IsFull() {
		return ""
	}
	return j.text[j.domain+1:]
}

// Bare returns the address without its resourcepart.
func (j JID) Bare() JID { return JID{j.text[:j.domain], j.local, j.domain} }

// WithResource returns the address with another resourcepart; an empty one is no resourcepart. The error, if any, is a
// [*SyntaxError].
func (j JID) WithResource(resource string) (JID, error) {
	if j.IsZero() {
		return JID{}, &SyntaxError{DomainPart, 0, "there is no address to add a resource to"}
	}
	if resource == "" {
		return j.Bare(), nil
	}
	resource, err := prepareResource(resource)
	if err != nil {
		return JID{}, err
	}
	return JID{j.text[:j.domain] + "/" + resource, j.local, j.domain}, nil
}

// IsZero reports whether j is no address.
func (j JID) IsZero() bool { return j.text == "" }

// IsBare reports whether j is an address without a resourcepart.
func (j JID) IsBare() bool { return !j.IsZero() && !j.IsFull() }

// IsFull reports whether j has a resourcepart.
func (j JID) IsFull() bool { return int(j.domain) < len(j.text) }

// String returns the address in its textual form, "" for the zero value.
func (j JID) String() string { return j.text }

func (j JID) domainStart() uint16 {
	if j.local == 0 {
		return 0
	}
	return j.local + 1
}

// join puts prepared parts together.
func join(local, domain, resource string) JID {
	var b strings.Builder
	b.Grow(len(local) + len(domain) + len(resource) + 2)
	if local != "" {
		b.WriteString(local)
		b.WriteByte('@')
	}
	b.WriteString(domain)
	end := b.Len()
	if resource != "" {
		b.WriteByte('/')
		b.WriteString(resource)
	}
	return JID{b.String(), uint16(len(local)), uint16(end)}
}

// shift shifts the offset of a part's error to where the part begins.
func shift(err error, start int) error {
	if e, ok := err.(*SyntaxError); ok {
		e.Offset += start
	}
	return err
}
