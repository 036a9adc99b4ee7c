package asn1

import "strconv"

// ValidOID reports whether s is a dotted decimal object identifier: two arcs at least, numbers without leading zeros that
// fit in 63 bits together with what the encoding adds, the first 0, 1 or 2, and the second below 40 unless the first is 2.
//
// ITU-T X.680, 32.
func ValidOID(s string) bool {
	_, ok := AppendOID(nil, s)
	return ok
}

// AppendOID appends the content octets of the object identifier s.
//
// ITU-T X.690, 8.19.
func AppendOID(dst []byte, s string) ([]byte, bool) {
	var first uint64
	for i := 0; ; i++ {
		n, rest, last := arc(s)
		switch {
		case rest < 0 || i == 0 && (n > 2 || last) || i == 1 && first < 2 && n > 39 || n > 1<<63-1-80:
			return dst, false
		case i == 0:
			first = n
		case i == 1:
			dst = appendBase128(dst, 40*first+n)
		default:
			dst = appendBase128(dst, n)
		}
		if last {
			return dst, true
		}
		s = s[rest:]
	}
}

// arc reads the number at the head of s; rest is where the next one begins, -1 if this is none.
func arc(s string) (n uint64, rest int, last bool) {
	i := 0
	for i < len(s) && s[i] >= '0' && s[i] <= '9' {
		d := uint64(s[i] - '0')
		if n > (1<<63-1-d)/10 {
			return 0, -1, false
		}
		n = n*10 + d
		i++
	}
	if i == 0 || i > 1 && s[0] == '0' || i < len(s) && s[i] != '.' {
		return 0, -1, false
	}
	return n, i + 1, i == len(s)
}

func appendBase128(dst []byte, n uint64) []byte {
	for shift := 63; shift > 0; shift -= 7 {
		if n>>shift != 0 {
			dst = append(dst, byte(n>>shift)|0x80)
		}
	}
	return append(dst, byte(n&0x7f))
}

// ParseOID reads content octets into dotted decimal text.
//
// ITU-T X.690, 8.19.
func ParseOID(b []byte) (string, bool) {
	var text []byte
	for i := 0; i < len(b); {
		var n uint64
		begin := i
		for ; ; i++ {
			if i == len(b) || n > (1<<63-1)>>7 || i == begin && b[i] == 0x80 {
				return "", false
			}
			n = n<<7 | uint64(b[i]&0x7f)
			if b[i] < 0x80 {
				i++
				break
			}
		}
		if begin == 0 {
			first := min(n/40, 2)
			text = strconv.AppendUint(text, first, 10)
			n -= 40 * first
		}
		if n > 1<<63-1-80 {
			return "", false
		}
		text = strconv.AppendUint(append(text, '.'), n, 10)
	}
	return string(text), len(text) > 0
}
