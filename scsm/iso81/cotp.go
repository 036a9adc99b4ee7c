package iso81

import "bytes"

// The codes of the TPDUs of class 0, without the credit in the low half of the octet.
//
// ISO/IEC 8073, 13.2.
const (
	codeCR = 0xe0
	codeCC = 0xd0
	codeDR = 0x80
	codeDT = 0xf0
	codeER = 0x70
)

// The parameters of CR and CC that class 0 knows.
//
// ISO/IEC 8073, 13.3.4.
const (
	paramSize        = 0xc0
	paramCalling     = 0xc1
	paramCalled      = 0xc2
	paramAlternative = 0xc7
	paramPreferred   = 0xf0
)

const (
	dataHeader   = 3     // octets of a DT before its data
	endOfTSDU    = 0x80  // the mark of the last DT
	leastTPDU    = 128   // octets
	mostTPDU     = 65531 // octets that RFC 1006 has room for
	mostSelector = 32    // octets
)

// DisconnectReason is why a transport connection was refused or ended. In class 0 only those below 128 are used.
//
// ISO/IEC 8073, 13.5.3.
type DisconnectReason byte

// The reasons that are given here.
const (
	DisconnectUnspecified       DisconnectReason = 0
	DisconnectCongestion        DisconnectReason = 1
	DisconnectAddressUnknown    DisconnectReason = 3
	DisconnectNegotiationFailed DisconnectReason = 130
)

var disconnectNames = map[DisconnectReason]string{0: "reason not specified", 1: "congestion at the TSAP", 2: "no session entity at the TSAP",
	3: "address unknown", 128: "normal disconnect", 129: "congestion", 130: "connection negotiation failed", 131: "duplicate source reference",
	132: "mismatched references", 133: "protocol error", 135: "reference overflow", 136: "refused on this network connection", 138: "invalid header or parameter length"}

// String says the reason in words.
func (r DisconnectReason) String() string { return nameOf(disconnectNames, r) }

// tpdu is any TPDU of class 0.
type tpdu struct {
	code     byte
	dst, src uint16
	class    byte             // CR, CC: of the high half; and of DR, ER: nothing
	reason   DisconnectReason // DR; ER: the reject cause

	size         int    // CR, CC: octets of a TPDU; 0 where it is not said
	preferred    int    // CR, CC: octets of a TPDU, in steps of 128
	calling      []byte // CR, CC: selectors; nil where there is none
	called       []byte
	alternatives []byte // CR: classes
	userData     bool   // CR, CC: class 0 has none

	end  bool   // DT
	data []byte // DT
}

// parseTPDU reads the TPDU that a packet holds. What it returns shares the memory of b.
func parseTPDU(b []byte) (tpdu, error) {
	li := int(b[0])
	if li < 2 || li >= len(b) || li == 255 {
		return tpdu{}, protocolError(LayerCOTP, "a header of %d octets in a packet of %d", li, len(b))
	}
	t := tpdu{code: b[1]}
	header, rest := b[2:li+1], b[li+1:]
	if t.code == codeDT {
		if li != 2 {
			return t, protocolError(LayerCOTP, "a DT header of %d octets", li)
		}
		t.end, t.data = header[0]&endOfTSDU != 0, rest
		return t, nil
	}
	switch t.code & 0xf0 {
	case codeCR, codeCC:
		t.code &= 0xf0
		t.userData = len(rest) > 0
		if len(header) < 5 {
			break
		}
		t.dst, t.src, t.class = be16(header), be16(header[2:]), header[4]>>4
		return t, t.parameters(header[5:])
	case codeDR & 0xf0:
		if t.code != codeDR || len(header) < 5 {
			break
		}
		t.dst, t.src, t.reason = be16(header), be16(header[2:]), DisconnectReason(header[4])
		return t, nil
	case codeER:
		if t.code != codeER || len(header) < 3 {
			break
		}
		t.dst, t.reason = be16(header), DisconnectReason(header[2])
		return t, nil
	}
	return t, protocolError(LayerCOTP, "a TPDU with code %#02x and a header of %d octets", t.code, li)
}

func be16(b []byte) uint16 { return uint16(b[0])<<8 | uint16(b[1]) }

// parameters reads the variable part of CR and CC. Parameters that are not known are passed over.
func (t *tpdu) parameters(b []byte) error {
	for len(b) > 0 {
		if len(b) < 2 || len(b) < 2+int(b[1]) {
			return protocolError(LayerCOTP, "a parameter that ends too late")
		}
		code, v := b[0], b[2:2+int(b[1])]
		b = b[2+len(v):]
		switch code {
		case paramSize:
			if len(v) != 1 || v[0] < 7 || v[0] > 16 {
				return protocolError(LayerCOTP, "a TPDU size of %x", v)
			}
			t.size = min(1<<v[0], mostTPDU)
		case paramPreferred:
			if len(v) == 0 || len(v) > 4 {
				return protocolError(LayerCOTP, "a preferred TPDU size of %d octets", len(v))
			}
			n := 0
			for _, o := range v {
				n = n<<8 | int(o)
			}
			if n == 0 {
				return protocolError(LayerCOTP, "a preferred TPDU size of 0")
			}
			t.preferred = min(n, mostTPDU/128) * 128
		case paramCalling:
			t.calling = v
		case paramCalled:
			t.called = v
		case paramAlternative:
			t.alternatives = v
		}
	}
	return nil
}

// takesClass0 reports whether class 0 may answer a CR: it is proposed, or an alternative, or class 1 is, which has it as one
// without saying so.
//
// ISO/IEC 8073, 6.5.5.
func (t *tpdu) takesClass0() bool {
	return t.class <= 1 || bytes.ContainsFunc(t.alternatives, func(r rune) bool { return r < 0x10 })
}

// append appends t in its packet.
func (t *tpdu) append(dst []byte) []byte {
	begin := len(dst)
	dst = append(dst, 0, 0, 0, 0, 0, t.code)
	switch t.code {
	case codeCR, codeCC:
		dst = append(dst, byte(t.dst>>8), byte(t.dst), byte(t.src>>8), byte(t.src), t.class<<4)
		if t.size > 0 {
			dst = append(dst, paramSize, 1, sizeCode(t.size))
		}
		if t.preferred > 0 {
			n := t.preferred / 128
			dst = append(dst, paramPreferred, 2, byte(n>>8), byte(n))
		}
		dst = appendSelector(dst, paramCalling, t.calling)
		dst = appendSelector(dst, paramCalled, t.called)
	case codeDR:
		dst = append(dst, byte(t.dst>>8), byte(t.dst), byte(t.src>>8), byte(t.src), byte(t.reason))
	}
	dst[begin+tpktHeader] = byte(len(dst) - begin - tpktHeader - 1)
	putPacketHeader(dst[begin:])
	return dst
}

func appendSelector(dst []byte, code byte, selector []byte) []byte {
	if selector == nil {
		return dst
	}
	return append(append(dst, code, byte(len(selector))), selector...)
}

// sizeCode is the code of the largest TPDU size that has one and is not more than size.
func sizeCode(size int) byte {
	code := byte(7)
	for code < 16 && 1<<(code+1) <= size {
		code++
	}
	return code
}

// answerCR makes the CC that answers the CR t, and tells the TPDU size that is agreed on then. own is the most that we want.
func (t *tpdu) answerCR(own int, reference uint16) (tpdu, int) {
	cc := tpdu{code: codeCC, dst: t.src, src: reference, calling: t.calling, called: t.called}
	agreed := min(own, mostTPDU)
	switch {
	case t.size > 0:
		cc.size = 1 << sizeCode(min(agreed, t.size))
		agreed = min(agreed, cc.size)
	case t.preferred > 0:
		cc.preferred = min(agreed, t.preferred) / 128 * 128
		agreed = min(agreed, cc.preferred)
	}
	return cc, agreed
}
