-- ARGV  1 subject
return generation(ARGV[1])
