package asn1

// Limits bounds what a decoder accepts. A zero field means its default.
type Limits struct {
	MaxSize  int // octets of the encoding; default 1 MiB
	MaxDepth int // SEQUENCEs, lists, CHOICEs, arrays and structures inside each other; default 64
	MaxItems int // items of all lists, arrays and structures together; default 65,536
}

// WithDefaults is l with defaults in place of zeros.
func (l Limits) WithDefaults() Limits {
	if l.MaxSize == 0 {
		l.MaxSize = 1 << 20
	}
	if l.MaxDepth == 0 {
		l.MaxDepth = 64
	}
	if l.MaxItems == 0 {
		l.MaxItems = 1 << 16
	}
	return l
}
