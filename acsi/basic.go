package acsi

import "busbar.example/value"

// basicTypes is how the basic types travel, by their name in SCL.
//
// IEC 61850-6, 9.5.4.2 and IEC 61850-8-1, 8.1.
var basicTypes = map[string]Type{
	"BOOLEAN":      {Kind: value.Boolean},
	"INT8":         {Kind: value.Integer, Size: 8},
	"INT16":        {Kind: value.Integer, Size: 16},
	"INT24":        {Kind: value.Integer, Size: 24},
	"INT32":        {Kind: value.Integer, Size: 32},
	"INT64":        {Kind: value.Integer, Size: 64},
	"INT128":       {Kind: value.Integer, Size: 64},
	"INT8U":        {Kind: value.Unsigned, Size: 8},
	"INT16U":       {Kind: value.Unsigned, Size: 16},
	"INT24U":       {Kind: value.Unsigned, Size: 24},
	"INT32U":       {Kind: value.Unsigned, Size: 32},
	"FLOAT32":      {Kind: value.Float32, Size: 32},
	"FLOAT64":      {Kind: value.Float64, Size: 64},
	"Enum":         {Kind: value.Integer, Size: 8},
	"Dbpos":        {Kind: value.BitString, Size: -2},
	"Tcmd":         {Kind: value.BitString, Size: -2},
	"Check":        {Kind: value.BitString, Size: -2},
	"Quality":      {Kind: value.BitString, Size: -QualityBits},
	"TrgOps":       {Kind: value.BitString, Size: -TrgOpsBits},
	"OptFlds":      {Kind: value.BitString, Size: -OptFldsBits},
	"SvOptFlds":    {Kind: value.BitString, Size: -8},
	"LogOptFlds":   {Kind: value.BitString, Size: -1},
	"Timestamp":    {Kind: value.UTCTime},
	"EntryTime":    {Kind: value.BinaryTime, Size: 6},
	"EntryID":      {Kind: value.OctetString, Size: -8},
	"Octet6":       {Kind: value.OctetString, Size: -6},
	"Octet16":      {Kind: value.OctetString, Size: -16},
	"Octet64":      {Kind: value.OctetString, Size: 64},
	"VisString32":  {Kind: value.VisibleString, Size: 32},
	"VisString64":  {Kind: value.VisibleString, Size: 64},
	"VisString65":  {Kind: value.VisibleString, Size: 65},
	"VisString129": {Kind: value.VisibleString, Size: 129},
	"VisString255": {Kind: value.VisibleString, Size: 255},
	"ObjRef":       {Kind: value.VisibleString, Size: 129},
	"Currency":     {Kind: value.VisibleString, Size: 3},
	"Unicode255":   {Kind: value.MMSString, Size: 255},
}

// BasicType is how the basic type called name in SCL (FLOAT32, Quality, Enum) travels; ok is false where there is none.
// An Enum has eight bits, unless its numbers need more.
func BasicType(name string) (t Type, ok bool) {
	t, ok = basicTypes[name]
	return t, ok
}
