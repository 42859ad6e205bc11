// Command runsheet runs long, costly or risky jobs in exactly the order that a
// person wants. See the README.
package main

func main() {}
