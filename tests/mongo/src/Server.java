import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.backend.h2.H2Backend;
import java.net.InetSocketAddress;

/**
 * A server of MongoDB's protocol on the loopback address: {@code java Server FILE PORT}. FILE keeps the data, so that
 * a later start finds it; PORT 0 is any free one. Prints the port in a line, then serves until it is terminated.
 */
public final class Server {
    public static void main(String[] arguments) {
        MongoServer server = new MongoServer(new H2Backend(arguments[0]));
        Runtime.getRuntime().addShutdownHook(new Thread(server::shutdownNow));
        InetSocketAddress address = new InetSocketAddress("127.0.0.1", Integer.parseInt(arguments[1]));
        server.bind(address);
        System.out.println(server.getLocalAddress().getPort());
    }

    private Server() {}
}
