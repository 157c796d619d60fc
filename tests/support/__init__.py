"""What tests share: waiting, servers, small applications to run workers on."""
