package mms

import (
	"reflect"

	"busbar.example/internal/asn1"
	"busbar.example/value"
	"pgregory.net/rapid"
)

// randomPDU makes any PDU that the plan allows: the plan is all that there is to know.
func randomPDU() *rapid.Generator[PDU] {
	return rapid.Custom(func(t *rapid.T) PDU {
		v := reflect.New(pduType.Go).Elem()
		randomType(t, pduType, v, 6)
		return v.Interface().(PDU)
	})
}

// randomUse fills the Go value in the place u. depth is the number of levels that are left.
func randomUse(t *rapid.T, u *asn1.Use, v reflect.Value, depth int) {
	if u.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
	}
	randomType(t, u.Type, u.Value(v), depth)
}

func randomType(t *rapid.T, p *asn1.Type, v reflect.Value, depth int) {
	switch p.Kind {
	case asn1.Boolean:
		v.SetBool(rapid.Bool().Draw(t, "bool"))
	case asn1.Integer:
		randomNumber(t, p, v)
	case asn1.BitString:
		for range rapid.IntRange(0, 5).Draw(t, "bits") {
			p.SetBit(v, rapid.IntRange(0, p.BitCap()-1).Draw(t, "bit"))
		}
	case asn1.OctetString:
		least, most := 0, 20
		if p.Sizes != nil {
			least = rapid.SampledFrom(p.Sizes).Draw(t, "size")
			most = least
		}
		v.SetBytes(rapid.SliceOfN(rapid.Byte(), least, most).Draw(t, "octets"))
	case asn1.String:
		v.SetString(randomString(p.Charset).Draw(t, "string"))
	case asn1.ObjectID:
		v.SetString(randomOID().Draw(t, "oid"))
	case asn1.Sequence:
		for i := range p.Fields {
			u := &p.Fields[i]
			if u.Optional && (depth <= 0 || rapid.Bool().Draw(t, "absent")) {
				continue
			}
			randomUse(t, u, v.Field(u.Index), depth-1)
			if f := v.Field(u.Index); u.Optional && f.Kind() == reflect.String && f.Len() == 0 {
				f.SetString("x") // empty means absent
			}
		}
	case asn1.SequenceOf:
		n := rapid.IntRange(0, min(3, max(depth, 0))).Draw(t, "items")
		v.Set(reflect.MakeSlice(p.Go, n, n))
		for i := range n {
			randomUse(t, p.Item, v.Index(i), depth-1)
		}
	case asn1.ChoiceOf:
		u := randomAlternative(t, p, depth)
		x := reflect.New(u.Go).Elem()
		randomUse(t, u, x, depth-1)
		v.Set(x)
	case asn1.DataValue:
		v.Set(reflect.ValueOf(randomValue(t, depth)))
	}
}

// randomAlternative picks one that both encodings have and that does not recurse, where depth is used up.
func randomAlternative(t *rapid.T, p *asn1.Type, depth int) *asn1.Use {
	i := rapid.IntRange(0, len(p.Fields)-1).Filter(func(i int) bool { return !p.Fields[i].XER }).Draw(t, "alternative")
	if u := &p.Fields[i]; depth > 0 || u.Type.Kind != asn1.Sequence {
		return u
	}
	for i := range p.Fields {
		if k := p.Fields[i].Type.Kind; k != asn1.Sequence && k != asn1.ChoiceOf {
			return &p.Fields[i]
		}
	}
	return &p.Fields[len(p.Fields)-1]
}

func randomNumber(t *rapid.T, p *asn1.Type, v reflect.Value) {
	switch {
	case p.Names != nil && rapid.Bool().Draw(t, "named"):
		v.SetInt(int64(rapid.IntRange(0, len(p.Names)-1).Draw(t, "number")))
	case v.CanInt():
		v.SetInt(rapid.Int64().Draw(t, "integer") >> (64 - v.Type().Bits()))
	default:
		v.SetUint(rapid.Uint64().Draw(t, "unsigned") >> (64 - v.Type().Bits()))
	}
}

func randomString(c asn1.Charset) *rapid.Generator[string] {
	switch c {
	case asn1.Name:
		return rapid.StringOfN(rapid.RuneFrom([]rune("AZaz09$_ <&>'\"~")), 1, 64, -1)
	case asn1.Printable:
		return rapid.StringOfN(rapid.RuneFrom([]rune("AZaz09$_ <&>'\"~")), 0, 64, -1)
	case asn1.Time:
		return rapid.Just("20260102030405.678Z")
	}
	return rapid.Custom(func(t *rapid.T) string {
		var s []rune
		for range rapid.IntRange(0, 12).Draw(t, "runes") {
			r := rapid.Rune().Draw(t, "rune")
			if asn1.Valid(c, string(r)) {
				s = append(s, r)
			}
		}
		return string(s)
	})
}

// randomOID leaves out 1.39, which asn1c 0.9.28 reads and cannot write in XER.
func randomOID() *rapid.Generator[string] {
	return rapid.SampledFrom([]string{"0.0", "1.38.0", "2.40", "1.0.9506.2.3", "2.9223372036854775727"})
}

func randomValue(t *rapid.T, depth int) value.Value {
	kinds := []value.Kind{value.Boolean, value.BitString, value.Integer, value.Unsigned, value.Float32, value.Float64,
		value.OctetString, value.VisibleString, value.GeneralizedTime, value.BinaryTime, value.BCD, value.BooleanArray,
		value.ObjectID, value.MMSString, value.UTCTime, value.Array, value.Structure}
	if depth <= 0 {
		kinds = kinds[:len(kinds)-2]
	}
	octets := rapid.SliceOfN(rapid.Byte(), 0, 20)
	switch k := rapid.SampledFrom(kinds).Draw(t, "kind"); k {
	case value.Boolean:
		return value.Bool(rapid.Bool().Draw(t, "bool"))
	case value.BitString:
		return value.Bits(rapid.IntRange(1, 160).Draw(t, "bits"), octets.Draw(t, "packed"))
	case value.BooleanArray:
		return value.Booleans(rapid.IntRange(1, 160).Draw(t, "bits"), octets.Draw(t, "packed"))
	case value.Integer:
		return value.Int(rapid.Int64().Draw(t, "integer"))
	case value.Unsigned:
		return value.Uint(rapid.Uint64().Draw(t, "unsigned"))
	case value.BCD:
		return value.Decimal(rapid.Uint64().Draw(t, "bcd"))
	case value.Float32:
		return value.FloatBits(rapid.Uint32().Draw(t, "float"))
	case value.Float64:
		return value.DoubleBits(rapid.Uint64().Draw(t, "double"))
	case value.OctetString:
		return value.Octets(octets.Draw(t, "octets"))
	case value.VisibleString:
		return value.Visible(randomString(asn1.Printable).Draw(t, "visible"))
	case value.MMSString:
		return value.Text(randomString(asn1.MMSText).Draw(t, "text"))
	case value.GeneralizedTime:
		return value.Generalized(randomString(asn1.Time).Draw(t, "time"))
	case value.BinaryTime:
		if rapid.Bool().Draw(t, "date") {
			return value.BinTime(rapid.Uint32().Draw(t, "ms"), rapid.Uint16().Draw(t, "days"))
		}
		return value.BinTimeOfDay(rapid.Uint32().Draw(t, "ms"))
	case value.UTCTime:
		return value.UTC(rapid.Uint64().Draw(t, "utc"))
	case value.ObjectID:
		return value.OID(randomOID().Draw(t, "oid"))
	default:
		elems := make([]value.Value, rapid.IntRange(1, 3).Draw(t, "elements"))
		for i := range elems {
			elems[i] = randomValue(t, depth-1)
		}
		if k == value.Array {
			return value.ArrayOf(elems...)
		}
		return value.StructureOf(elems...)
	}
}
