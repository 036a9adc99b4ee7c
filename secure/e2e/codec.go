package e2e

import (
	"bytes"
	"errors"
	"fmt"

	"busbar.example/internal/asn1"
	"busbar.example/internal/asn1/xer"
	"busbar.example/internal/xmltok"
	"busbar.example/secure/audit"
)

var (
	secPDUType    = asn1.Compile[SecPDU](module)
	token2Type    = asn1.Compile[ClearToken2](module)
	algorithmType = asn1.Compile[AlgorithmIdentifier](module)
)

// maxApplDepth bounds how many elements of a PDU of the protected protocol are open: with the three
// of the SecPDU around it, it is what a receiver takes.
const maxApplDepth = 64 - 3

// maxItems bounds the lists of one SecPDU all together: certificates and algorithms.
const maxItems = 64

// A signedPDU is a SecPDU with a signature over the content of its tbs.
type signedPDU interface {
	SecPDU
	signature() *Signature
}

func (p *HandshakeReq) signature() *Signature       { return &p.Sign }
func (p *HandshakeAcc) signature() *Signature       { return &p.Sign }
func (p *ApplicationReject) signature() *Signature  { return &p.Sign }
func (p *HandshakeSecReject) signature() *Signature { return &p.Sign }
func (p *HandshakeSecAbort) signature() *Signature  { return &p.Sign }
func (p *DtSecAbort) signature() *Signature         { return &p.Sign }
func (p *ApplAbort) signature() *Signature          { return &p.Sign }
func (p *ReleaseReq) signature() *Signature         { return &p.Sign }
func (p *ReleaseRsp) signature() *Signature         { return &p.Sign }

// encodeSigned signs p and returns its octets and those that it signs.
func (e *endpoint) encodeSigned(p signedPDU) (octets, tbs []byte, err error) {
	s := p.signature()
	*s = Signature{Algo: e.sigAlg}
	unsigned, err := xer.Append(nil, secPDUType, Namespace, p)
	if err != nil {
		return nil, nil, fmt.Errorf("encoding a SecPDU to sign: %w", err)
	}
	tbs = outermost(unsigned, "tbs")
	if s.Sign, err = sign(e.Identity.Key, tbs); err != nil {
		return nil, nil, fmt.Errorf("signing a SecPDU: %w", err)
	}
	octets, err = xer.Append(make([]byte, 0, len(unsigned)+128), secPDUType, Namespace, p)
	return octets, tbs, err
}

// outermost returns the content of the first element of that name up to the last end tag of that
// name. In a SecPDU that was decoded from its canonical octets, no tag of that name stands before
// tbs or after it.
func outermost(canonical []byte, name string) []byte {
	start := bytes.Index(canonical, []byte("<"+name+">"))
	end := bytes.LastIndex(canonical, []byte("</"+name+">"))
	if start < 0 || end < start {
		return nil
	}
	return canonical[start+len(name)+2 : end]
}

// A received SecPDU: its canonical octets, and what was decoded from them and nothing else.
type received struct {
	pdu       SecPDU
	canonical []byte
}

// receive is the one way in. It appends the canonical octets to scratch.
func receive(scratch, octets []byte, maxSize int) (received, error) {
	if len(octets) > maxSize {
		return received{}, fmt.Errorf("it has %d octets, %d are allowed", len(octets), maxSize)
	}
	canonical, err := xmltok.Canonicalize(scratch, octets, "", xmltok.Limits{MaxDocument: int64(maxSize)})
	if err != nil {
		return received{}, err
	}
	r := received{canonical: canonical}
	err = xer.Decode(canonical, secPDUType, Namespace, &r.pdu, asn1.Limits{MaxSize: maxSize, MaxItems: maxItems})
	if err != nil {
		return received{}, err
	}
	return r, nil
}

// signedTokenOf returns the token of a signed PDU for verification.
func (r *received) signedToken() *signedToken {
	t := &signedToken{tbs: outermost(r.canonical, "tbs")}
	var token3 *ClearToken3
	switch p := r.pdu.(type) {
	case *HandshakeReq:
		t.token1(&p.TBS.Token1)
	case *HandshakeAcc:
		t.token1(&p.TBS.Token1)
	case *ApplicationReject:
		token3 = &p.TBS.Token3
	case *HandshakeSecReject:
		token3 = &p.TBS.Token3
	case *HandshakeSecAbort:
		token3 = &p.TBS.Token3
	case *DtSecAbort:
		token3 = &p.TBS.Token3
	case *ApplAbort:
		token3 = &p.TBS.Token3
	case *ReleaseReq:
		token3 = &p.TBS.Token3
	case *ReleaseRsp:
		token3 = &p.TBS.Token3
	default:
		return nil
	}
	if token3 != nil {
		t.token3(token3)
	}
	t.sign = r.pdu.(signedPDU).signature()
	return t
}

// A transfer is a SecPDU that carries data.
type transfer struct {
	mode   Mode
	token  *ClearToken2
	data   []byte         // the ciphertext, or what is in clear
	auth   *Authenticator // may be nil
	tbp    []byte         // canonical content of tbp
	token2 []byte         // and of token2, in which no other element bears that name
}

// transfer returns the data PDU that was received, false if it is another.
func (r *received) transfer() (x transfer, ok bool) {
	switch p := r.pdu.(type) {
	case *EncrTransfer:
		x = transfer{mode: Encrypted, token: &p.TBP.Token2, data: p.TBP.ApplData, auth: p.Auth}
	case *ClearTransfer:
		x = transfer{mode: Clear, token: &p.TBP.Token2, data: p.TBP.ApplData, auth: &p.Auth}
	default:
		return x, false
	}
	x.tbp = outermost(r.canonical, "tbp")
	_, rest, _ := bytes.Cut(x.tbp, []byte("<token2>"))
	x.token2, _, _ = bytes.Cut(rest, []byte("</token2>"))
	return x, true
}

// transferEvents are the events that the faults of a data PDU are.
type transferEvents struct{ algorithm, icv, replay audit.ID }

func (x *transfer) events() transferEvents {
	if x.mode == Clear {
		return transferEvents{audit.E2EClearAlgorithm, audit.E2EClearICV, audit.E2EClearReplay}
	}
	return transferEvents{audit.E2EEncrAlgorithm, audit.E2EEncrICV, audit.E2EEncrReplay}
}

var (
	errNoNamespace = errors.New("a PDU of the protected protocol must be an XML element with its own namespace")
	errNotOne      = errors.New("a PDU of the protected protocol must be one XML element")
)

// appendApplData appends the canonical form of a PDU of the protected protocol that will be signed
// or authenticated as part of a SecPDU. The form is no longer than maxSize.
func appendApplData(dst, applData []byte, maxSize int) (asn1.Open, error) {
	all, err := xmltok.Canonicalize(dst, applData, Namespace, xmltok.Limits{MaxDocument: int64(maxSize), Depth: maxApplDepth})
	if err != nil {
		return nil, fmt.Errorf("bringing the PDU of the protected protocol into the form that is protected: %w", err)
	}
	form := all[len(dst):]
	switch tag, _, _ := bytes.Cut(form, []byte(">")); {
	case !bytes.Contains(tag, []byte(" xmlns='")):
		return nil, errNoNamespace
	case firstElement(form) != len(form):
		return nil, errNotOne
	}
	return all, nil
}

// firstElement returns where the first element of a canonical form ends. There, no '<' or '>' is
// anything but the border of a tag.
func firstElement(canonical []byte) int {
	at, depth := 0, 0
	for {
		start := bytes.IndexByte(canonical[at:], '<')
		if start < 0 {
			return at
		}
		start += at
		at = start + bytes.IndexByte(canonical[start:], '>') + 1
		switch {
		case canonical[start+1] == '/':
			depth--
		case canonical[at-2] != '/':
			depth++
		}
		if depth == 0 {
			return at
		}
	}
}

// canonicalApplData is appendApplData for a handshake.
func canonicalApplData(applData []byte) (asn1.Open, error) {
	return appendApplData(nil, applData, maxHandshakeSize)
}
