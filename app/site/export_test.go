package site

// KeepAlive is keepAlive, for tests that start IEDs by other means.
var KeepAlive = keepAlive
