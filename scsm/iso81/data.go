package iso81

// The header of an MMS PDU in data transfer is, from below: TPKT (4 octets), DT (3), GIVE TOKENS and DATA TRANSFER (4), then
// fully-encoded-data with one PDV-list of the context of MMS, whose identifier and length octets depend on the length.

// sessionData is GIVE TOKENS and DATA TRANSFER, both without parameters.
const sessionData = "\x01\x00\x01\x00"

// Identifier octets of presentation's user data.
const (
	tagFullyEncoded = 0x61
	tagPDVList      = 0x30
	tagSingleType   = 0xa0
)

// dataPrefix is what stands before an MMS PDU of n octets, in reverse order of layers: it is put before the PDU from the back.
type dataPrefix struct {
	context string // the presentation context identifier, with tag and length
}

// size is the octets of session and presentation before a PDU of n octets.
func (p dataPrefix) size(n int) int {
	all := n + 1 + lengthSize(n) + len(p.context)
	all += 1 + lengthSize(all)
	all += 1 + lengthSize(all)
	return all + len(sessionData) - n
}

// put writes what stands before the PDU of n octets into dst, whose length is that of all before the PDU.
func (p dataPrefix) put(dst []byte, n int) {
	dst, n = putHeader(dst, tagSingleType, n)
	dst = dst[:len(dst)-copy(dst[len(dst)-len(p.context):], p.context)]
	n += len(p.context)
	dst, n = putHeader(dst, tagPDVList, n)
	dst, _ = putHeader(dst, tagFullyEncoded, n)
	copy(dst, sessionData)
}

// putHeader writes tag and length of n octets at the end of dst, and gives what is left of dst, and n with the header.
func putHeader(dst []byte, tag byte, n int) ([]byte, int) {
	size := lengthSize(n)
	dst, header := dst[:len(dst)-1-size], dst[len(dst)-1-size:]
	header[0] = tag
	if size == 1 {
		header[1] = byte(n)
	} else {
		header[1] = 0x80 | byte(size-1)
		for i := 2; i <= size; i++ {
			header[i] = byte(n >> (8 * (size - i)))
		}
	}
	return dst, n + 1 + size
}

// lengthSize is the number of length octets of n octets of content.
func lengthSize(n int) int {
	switch {
	case n < 0x80:
		return 1
	case n < 0x100:
		return 2
	case n < 0x10000:
		return 3
	case n < 0x1000000:
		return 4
	}
	return 5
}

// contextOctets is the presentation context identifier as it stands in a PDV-list.
func contextOctets(id int32) string {
	b := []byte{2, 4, byte(id >> 24), byte(id >> 16), byte(id >> 8), byte(id)}
	for b[1] > 1 && (b[2] == 0 && b[3] < 0x80 || b[2] == 0xff && b[3] >= 0x80) {
		b = append(b[:2], b[3:]...)
		b[1]--
	}
	return string(b)
}

// open finds the PDU in a TSDU that has the common form: GIVE TOKENS, DATA TRANSFER, one PDV-list of the context of MMS with one
// value, definite lengths. ok is false for all others, which may be right, too.
func (p dataPrefix) open(tsdu []byte) (pdu []byte, ok bool) {
	if len(tsdu) < len(sessionData) || string(tsdu[:len(sessionData)]) != sessionData {
		return nil, false
	}
	b, ok := inside(tsdu[len(sessionData):], tagFullyEncoded)
	if !ok {
		return nil, false
	}
	if b, ok = inside(b, tagPDVList); !ok {
		return nil, false
	}
	if len(b) < len(p.context) || string(b[:len(p.context)]) != p.context {
		return nil, false
	}
	return inside(b[len(p.context):], tagSingleType)
}

// inside is the content of b, which is one encoding with tag and with a definite length of the fewest octets.
func inside(b []byte, tag byte) ([]byte, bool) {
	if len(b) < 2 || b[0] != tag {
		return nil, false
	}
	n, header := int(b[1]), 2
	if n >= 0x80 {
		size := n & 0x7f
		if size == 0 || size > 4 || len(b) < 2+size {
			return nil, false
		}
		n = 0
		for _, o := range b[2 : 2+size] {
			n = n<<8 | int(o)
		}
		header += size
		if lengthSize(n) != 1+size {
			return nil, false
		}
	}
	return b[header:], n == len(b)-header
}
