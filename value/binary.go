package value

import (
	"encoding/binary"
	"errors"
)

// maxBinaryDepth bounds the nesting that DecodeBinary takes.
const maxBinaryDepth = 64

// AppendBinary appends v in the form that DecodeBinary reads: its kind, then its content. It is compact and for keeping values
// on this host; it does not travel. The error is always nil.
func (v Value) AppendBinary(b []byte) ([]byte, error) { return v.appendTo(b), nil }

func (v Value) appendTo(b []byte) []byte {
	b = append(b, byte(v.kind))
	switch v.kind {
	case Array, Structure:
		b = binary.AppendUvarint(b, uint64(len(v.elems)))
		for _, e := range v.elems {
			b = e.appendTo(b)
		}
	case BinaryTime:
		b = binary.AppendUvarint(append(b, v.width), v.n)
	case BitString, BooleanArray:
		b = append(binary.AppendUvarint(b, v.n), v.s...)
	case OctetString, VisibleString, GeneralizedTime, ObjectID, MMSString:
		b = append(binary.AppendUvarint(b, uint64(len(v.s))), v.s...)
	case Integer:
		b = binary.AppendVarint(b, int64(v.n))
	case Float32:
		b = binary.BigEndian.AppendUint32(b, uint32(v.n))
	case Float64, UTCTime:
		b = binary.BigEndian.AppendUint64(b, v.n)
	default:
		b = binary.AppendUvarint(b, v.n)
	}
	return b
}

var errBinary = errors.New("value: not a value in binary form")

// DecodeBinary reads one value that AppendBinary has written, and gives what follows it. It shares no memory with b.
func DecodeBinary(b []byte) (v Value, rest []byte, err error) { return decodeBinary(b, maxBinaryDepth) }

func decodeBinary(b []byte, depth int) (v Value, rest []byte, err error) {
	if len(b) < 2 || depth == 0 {
		return Value{}, nil, errBinary
	}
	v.kind, b = Kind(b[0]), b[1:]
	switch v.kind {
	case Array, Structure:
		return decodeElements(v, b, depth)
	case Float32:
		if len(b) < 4 {
			return Value{}, nil, errBinary
		}
		v.n = uint64(binary.BigEndian.Uint32(b))
		return v, b[4:], nil
	case Float64, UTCTime:
		if len(b) < 8 {
			return Value{}, nil, errBinary
		}
		v.n = binary.BigEndian.Uint64(b)
		return v, b[8:], nil
	case Integer:
		i, n := binary.Varint(b)
		if n <= 0 {
			return Value{}, nil, errBinary
		}
		return Int(i), b[n:], nil
	case BinaryTime:
		v.width, b = b[0], b[1:]
	}
	n, size := binary.Uvarint(b)
	if size <= 0 {
		return Value{}, nil, errBinary
	}
	return decodeScalar(v, n, b[size:])
}

// decodeScalar completes v, of which n is the number or the length of its text in b.
func decodeScalar(v Value, n uint64, b []byte) (Value, []byte, error) {
	left := uint64(len(b))
	switch v.kind {
	case Boolean:
		v.n = n
		if n > 1 {
			return Value{}, nil, errBinary
		}
	case Unsigned, BCD:
		v.n = n
	case BinaryTime:
		if v.n = n; v.width != 4 && v.width != 6 || v.width == 4 && n>>32 != 0 || n>>48 != 0 {
			return Value{}, nil, errBinary
		}
	case BitString, BooleanArray:
		size := n/8 + (n%8+7)/8
		if size > left {
			return Value{}, nil, errBinary
		}
		return bits(v.kind, int(n), b[:size]), b[size:], nil
	case OctetString, VisibleString, GeneralizedTime, ObjectID, MMSString:
		if n > left {
			return Value{}, nil, errBinary
		}
		v.s = string(b[:n])
		return v, b[n:], nil
	default:
		return Value{}, nil, errBinary
	}
	return v, b, nil
}

func decodeElements(v Value, b []byte, depth int) (Value, []byte, error) {
	n, size := binary.Uvarint(b)
	b = b[max(0, size):]
	if size <= 0 || n > uint64(len(b)/2) { // no value is shorter than two octets
		return Value{}, nil, errBinary
	}
	if n > 0 {
		v.elems = make([]Value, n)
	}
	var err error
	for i := range v.elems {
		if v.elems[i], b, err = decodeBinary(b, depth-1); err != nil {
			return Value{}, nil, err
		}
	}
	return v, b, nil
}
